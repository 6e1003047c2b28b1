// The certificate of the whole cluster: agents trust the server by its thumbprint, so both of its addresses answer it.

import { X509Certificate } from "node:crypto";
import { page } from "@cuttle/contract/rest/shapes";
import { CommunicationsCertificate } from "@cuttle/contract/rest/machines";
import { problem } from "../../../base/problems.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { pageOf } from "../../../platform/resources/resources.ts";

const globalId = "certificate-global";

/** The certificate that agents trust; its private key stays where it is. */
export interface ClusterCertificate {
  thumbprint: string;
  signatureAlgorithm: string;
  pem: string;
}

/** `thumbprint`: SHA-1, 40 hex digits. Agents compare it letter by letter in upper case. */
export function certificateRoutes(certificate: ClusterCertificate): Route[] {
  const document = {
    Id: globalId,
    Name: "Octopus Server certificate",
    Thumbprint: certificate.thumbprint.toUpperCase(),
    SignatureAlgorithm: certificate.signatureAlgorithm,
    Links: {
      Self: `/api/configuration/certificates/${globalId}`,
      PublicCer: `/api/configuration/certificates/${globalId}/public-cer`,
    },
  };
  const requireGlobal = (id: string) => {
    if (id.toLowerCase() !== globalId) throw problem.notFound("certificate", id);
  };
  const answer = async ({ params }: { params: { id: string } }) => {
    requireGlobal(params.id);
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
    read({
      path: "/configuration/certificates/{id}/public-cer",
      scope: "system",
      permission: "signed-in",
      answer: "file",
      handler: async ({ params }) => {
        requireGlobal(params.id);
        return {
          status: 200,
          body: new X509Certificate(certificate.pem).raw,
          contentType: "application/x-x509-ca-cert",
          headers: { "content-disposition": 'attachment; filename="octopus-server.cer"' },
        };
      },
    }),
    read({ path: "/certificates/{id}", scope: "either", permission: "signed-in", answer: CommunicationsCertificate, handler: answer }),
  ];
}
