// What actions set for those after them. A value is stored in the guarded transaction that makes the line true by which it was set, so a
// takeover neither loses nor doubles one; sensitive values are encrypted, each for its own place.

import type { Variable } from "@cuttle/templates";
import type { Transaction } from "../../platform/database/database.ts";
import type { SecretContext } from "../../platform/secrets/secrets.ts";
import type { TaskRun } from "../tasks/tasks.ts";
import type { OutputRow } from "./output-variable-store.ts";
import { listOutputVariables, putOutputVariables } from "./output-variable-store.ts";
import type { Plan, PlannedAction, PlannedStep, PlannedTarget } from "./plan.ts";
import type { OutputValue } from "./step-type.ts";

/** Encrypts sensitive outputs for the database. */
export interface OutputCipher {
  encrypt(plain: string, context: SecretContext): Buffer;
  decrypt(stored: Uint8Array, context: SecretContext): string;
}

/** More than this of one task are scripts that run wild. */
export const outputsMax = 5_000;
const nameCharactersMax = 500;
/** As a sensitive value of the configuration. */
export const outputBytesMax = 256 * 1024;
/** In the row of what an action without a target set. */
const noMachine = "";

export interface Outputs {
  /** Why a value is not kept, in a sentence, or undefined. */
  refuse(value: OutputValue): string | undefined;
  /** Stores values; inside a guarded transaction. */
  put(tx: Transaction, at: { action: PlannedAction; target: PlannedTarget | undefined }, values: readonly OutputValue[]): Promise<void>;
  /** They are committed: what runs from here on sees them. */
  keep(at: { action: PlannedAction; target: PlannedTarget | undefined }, values: readonly OutputValue[]): void;
  /** What the action set so far at this place. */
  of(action: PlannedAction, target: PlannedTarget | undefined): ReadonlyMap<string, string>;
  /** As variables at a place: those of its own machine win where a name does not say which. */
  variablesAt(target: PlannedTarget | undefined): Variable[];
  secrets(): string[];
}

interface Kept extends OutputValue {
  action: string;
  machineId: string;
}

/** Whose outputs a plan may have, by the id of the action. */
interface Origin {
  /** By these the output is read: of the action, and of its step when it is the only one. */
  names: readonly string[];
  machineNames: ReadonlyMap<string, string>;
}

export async function openOutputs(plan: Plan, run: TaskRun, cipher: OutputCipher): Promise<Outputs> {
  const origins = new Map(plan.steps.flatMap((step) => step.actions.map((action) => [action.id, originOf(step, action)] as const)));
  // One of each place and name; the order of the map is that of setting.
  const all = new Map<string, Kept>();
  function add(one: Kept): void {
    const key = keyOf(one);
    all.delete(key);
    all.set(key, one);
  }

  function contextOf(row: Pick<OutputRow, "action" | "machineId" | "name">): SecretContext {
    const place = JSON.stringify([run.task.id, row.action, row.machineId, row.name]);
    return { table: "output_variables", column: "ciphertext", row: place, space: run.task.spaceId };
  }

  if (run.task.epoch > 1) {
    for (const row of await run.guarded((tx) => listOutputVariables(tx, run.task.id))) {
      const { action, machineId, name, ciphertext } = row;
      const value = ciphertext === null ? (row.value ?? "") : cipher.decrypt(ciphertext, contextOf(row));
      add({ action, machineId, name, value, sensitive: ciphertext !== null });
    }
  }

  return {
    refuse({ name, value }) {
      if (name.trim() === "" || name.length > nameCharactersMax)
        return `An output variable needs a name of 1 to ${nameCharactersMax} characters; one was not kept.`;
      if (Buffer.byteLength(value) > outputBytesMax)
        return `The output variable ${name} is larger than ${outputBytesMax} bytes and was not kept.`;
      return all.size >= outputsMax ? `This task has set ${outputsMax} output variables already; ${name} was not kept.` : undefined;
    },
    async put(tx, { action, target }, values) {
      const machineId = target?.machineId ?? noMachine;
      const last = new Map(values.map((one) => [one.name, one]));
      const rows = [...last.values()].map(({ name, value, sensitive }): OutputRow => {
        const place = { action: action.id, machineId, name };
        return sensitive
          ? { ...place, value: null, ciphertext: cipher.encrypt(value, contextOf(place)) }
          : { ...place, value, ciphertext: null };
      });
      if (rows.length > 0) await putOutputVariables(tx, run.task.id, rows);
    },
    keep({ action, target }, values) {
      for (const one of values) add({ ...one, action: action.id, machineId: target?.machineId ?? noMachine });
    },
    of(action, target) {
      const machineId = target?.machineId ?? noMachine;
      const own = [...all.values()].filter((one) => one.action === action.id && one.machineId === machineId);
      return new Map(own.map((one) => [one.name, one.value]));
    },
    variablesAt(target) {
      const variables: Variable[] = [];
      // The last given of a name wins: of other machines, then of the own one.
      const isOwn = (one: Kept): boolean => target !== undefined && one.machineId === target.machineId;
      for (const one of [...[...all.values()].filter((kept) => !isOwn(kept)), ...[...all.values()].filter(isOwn)]) {
        const { names = [], machineNames = new Map<string, string>() } = origins.get(one.action) ?? {};
        const machine = machineNames.get(one.machineId);
        for (const name of names) {
          const { value, sensitive } = one;
          variables.push({ name: `Octopus.Action[${name}].Output.${one.name}`, value, sensitive });
          if (machine !== undefined) variables.push({ name: `Octopus.Action[${name}].Output[${machine}].${one.name}`, value, sensitive });
        }
      }
      return variables;
    },
    secrets: () => [...all.values()].filter((one) => one.sensitive).map((one) => one.value),
  };
}

/** Case of a name is kept in the row, and the same name in another case is the same variable where it is read. */
const keyOf = ({ action, machineId, name }: Kept): string => JSON.stringify([action, machineId, name]);

function originOf(step: PlannedStep, action: PlannedAction): Origin {
  const stepName = action.values.find((one) => one.name === "Octopus.Step.Name");
  const isOnly = step.actions.length === 1 && stepName !== undefined && "value" in stepName;
  return {
    names: [...new Set([action.name, ...(isOnly ? [stepName.value] : [])])],
    machineNames: new Map(step.targets.map((target) => [target.machineId, target.name])),
  };
}
