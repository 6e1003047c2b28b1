// The certificate of the whole cluster: agents trust the server by its thumbprint, so both of its addresses answer it.

import { page } from "@cuttle/contract/rest/shapes";
import { CommunicationsCertificate } from "@cuttle/contract/rest/machines";
import { problem } from "../../../base/problems.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { pageOf } from "../../../platform/resources/resources.ts";

const globalId = "certificate-global";

/** `thumbprint`: SHA-1, 40 hex digits. Agents compare it letter by letter in upper case. */
export function certificateRoutes(certificate: { thumbprint: string; signatureAlgorithm: string }): Route[] {
  const document = {
    Id: globalId,
    Name: "Octopus Server certificate",
    Thumbprint: certificate.thumbprint.toUpperCase(),
    SignatureAlgorithm: certificate.signatureAlgorithm,
    Links: { Self: `/api/configuration/certificates/${globalId}` },
  };
  const answer = async ({ params }: { params: { id: string } }) => {
    if (params.id.toLowerCase() !== globalId) throw problem.notFound("certificate", params.id);
    return ok(document);
  };
  return [
    read({
      path: "/configuration/certificates",
      scope: "system",
      permission: "signed-in",
      answer: page(CommunicationsCertificate),
      handler: async () =>
        ok(
          pageOf({
            itemType: "CertificateConfiguration",
            items: [document],
            total: 1,
            wanted: { skip: 0, take: 30 },
            path: "/api/configuration/certificates",
            query: {},
          }),
        ),
    }),
    read({
      path: "/configuration/certificates/{id}",
      scope: "system",
      permission: "signed-in",
      answer: CommunicationsCertificate,
      handler: answer,
    }),
    read({ path: "/certificates/{id}", scope: "either", permission: "signed-in", answer: CommunicationsCertificate, handler: answer }),
  ];
}
