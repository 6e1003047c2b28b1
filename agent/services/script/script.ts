// The script service of the wire on top of the agent's scripts: puts commands and answers into the contract's form. It decides
// nothing about running.
import {
  type CancelScriptCommandV2,
  type CompleteScriptCommandV2,
  scriptServiceV2,
  type ScriptStatusRequestV2,
  type StartScriptCommandV2,
} from "@cuttle/contract/agent/script";
import type { ServiceImplementation } from "@cuttle/halibut";
import type { Scripts } from "../../scripts/scripts.ts";
import { createFirstGeneration } from "./first-generation.ts";
import { readSequence, readStartCommand, type Received, requireTicket, respond } from "./start-command.ts";

/** The script service in both generations, on the same scripts. */
export function createScriptServices(scripts: Scripts): ServiceImplementation[] {
  return [createSecondGeneration(scripts), createFirstGeneration(scripts)];
}

function createSecondGeneration(scripts: Scripts): ServiceImplementation {
  return {
    contract: scriptServiceV2,
    methods: {
      StartScript: async (params, { signal }) => {
        const command = params[0] as Received<StartScriptCommandV2>;
        const ticket = requireTicket(command?.ScriptTicket);
        return respond(ticket, await scripts.start(readStartCommand(command, ticket, signal)));
      },
      GetStatus: async (params) => {
        const request = params[0] as Received<ScriptStatusRequestV2>;
        const ticket = requireTicket(request?.Ticket);
        return respond(ticket, await scripts.status(ticket.TaskId, readSequence(request?.LastLogSequence)));
      },
      CancelScript: async (params) => {
        const command = params[0] as Received<CancelScriptCommandV2>;
        const ticket = requireTicket(command?.Ticket);
        return respond(ticket, await scripts.cancel(ticket.TaskId, readSequence(command?.LastLogSequence)));
      },
      CompleteScript: async (params) => {
        const command = params[0] as Received<CompleteScriptCommandV2>;
        await scripts.complete(requireTicket(command?.Ticket).TaskId);
        return null;
      },
    },
  };
}
