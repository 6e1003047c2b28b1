// A small web shop without dependencies: shelves, a basket kept in a cookie, and orders that are written to a file. It takes what it sells from
// products.json, and everything that differs from one environment to the next from settings.json, which the deployment fills in.
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import path from "node:path";

const folder = import.meta.dirname;
const settings = JSON.parse(readFileSync(path.join(folder, "settings.json"), "utf8"));
const products = readProducts();
const footer = readFileSync(path.join(folder, "footer.html"), "utf8");
const noteFile = process.argv[2];
const orderFile = path.join(settings.Shop.DataFolder, "orders.jsonl");
mkdirSync(settings.Shop.DataFolder, { recursive: true });

/** What is sold. A damaged list is said in one line, the first that somebody reads who looks for the reason. */
function readProducts() {
  try {
    return JSON.parse(readFileSync(path.join(folder, "products.json"), "utf8"));
  } catch (error) {
    console.error(`products.json of this release cannot be read: ${error.message}`);
    process.exit(1);
  }
}

const bodyBytesMax = 4096;
const basketItemsMax = 50;

const escaped = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const priceOf = (cents) => `${(cents / 100).toFixed(2)} ${settings.Shop.Currency}`;

function page(title, body, basket) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)} · ${escaped(settings.Shop.Name)}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0; color: #1d2433; background: #f6f7f9 }
  header { background: ${escaped(settings.Shop.Color)}; color: #fff; padding: 1rem 2rem; display: flex; justify-content: space-between }
  header a { color: #fff; text-decoration: none } main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  .shelf { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1rem }
  .item { background: #fff; border: 1px solid #d9dde5; border-radius: 8px; padding: 1rem } .item h2 { font-size: 1.05rem; margin: 0 }
  button { background: ${escaped(settings.Shop.Color)}; color: #fff; border: 0; border-radius: 6px; padding: .5rem 1rem; font: inherit; cursor: pointer }
  footer { text-align: center; color: #566073; padding: 2rem; font-size: .85rem } td { padding: .25rem 1rem .25rem 0 }
</style>
<header><a href="/"><strong>${escaped(settings.Shop.Name)}</strong></a><a href="/basket">Basket (${basket.length})</a></header>
<main>${body}</main><footer>${footer}</footer></html>`;
}

const shelf = () =>
  `<div class="shelf">${products
    .map(
      ({ id, name, about, cents }) =>
        `<div class="item"><h2>${escaped(name)}</h2><p>${escaped(about)}</p><p><strong>${priceOf(cents)}</strong></p>
         <form method="post" action="/basket"><input type="hidden" name="id" value="${escaped(id)}"><button>Into the basket</button></form></div>`,
    )
    .join("")}</div>`;

function basketPage(basket) {
  if (basket.length === 0) return `<p>Your basket is empty. <a href="/">Have a look around.</a></p>`;
  const rows = basket.map(({ name, cents }) => `<tr><td>${escaped(name)}</td><td>${priceOf(cents)}</td></tr>`).join("");
  const sum = basket.reduce((all, { cents }) => all + cents, 0);
  return `<table>${rows}<tr><td><strong>Together</strong></td><td><strong>${priceOf(sum)}</strong></td></tr></table>
    <form method="post" action="/order"><button>Order</button></form>`;
}

/** The products whose ids the cookie names; what is no longer sold is left out. */
function basketOf(request) {
  const ids = /(?:^|; )basket=([\w-]+(?:\.[\w-]+)*)/.exec(request.headers.cookie ?? "")?.[1]?.split(".") ?? [];
  return ids.slice(0, basketItemsMax).flatMap((id) => products.find((product) => product.id === id) ?? []);
}

async function formOf(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
    if (text.length > bodyBytesMax) throw new RangeError("The form is too large.");
  }
  return new URLSearchParams(text);
}

const cookie = (basket) => `basket=${basket.map(({ id }) => id).join(".")}; Path=/; HttpOnly; SameSite=Lax`;

async function answer(request) {
  const basket = basketOf(request);
  const html = (title, body, status = 200, more = {}) => ({
    status,
    headers: { "content-type": "text/html; charset=utf-8", ...more },
    body: page(title, body, basket),
  });
  switch (`${request.method} ${request.url}`) {
    case "GET /":
      return html("Welcome", shelf());
    case "GET /basket":
      return html("Basket", basketPage(basket));
    case "POST /basket": {
      const wanted = products.find(({ id }) => id === request.form.get("id"));
      if (wanted === undefined) return html("Sold out", "<p>We do not sell that.</p>", 400);
      return {
        status: 303,
        headers: { location: "/basket", "set-cookie": cookie([...basket, wanted].slice(0, basketItemsMax)) },
        body: "",
      };
    }
    case "POST /order": {
      if (basket.length === 0) return html("Basket", basketPage(basket), 400);
      const order = { id: randomUUID(), at: new Date().toISOString(), items: basket.map(({ id }) => id), paidBy: settings.Payment.Account };
      appendFileSync(orderFile, `${JSON.stringify(order)}\n`);
      return html("Thank you", `<p>Thank you. Your order is <code>${order.id}</code>.</p>`, 201, { "set-cookie": cookie([]) });
    }
    case "GET /health":
      return {
        status: 200,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ version: settings.Release.Version, environment: settings.Release.Environment, products: products.length }),
      };
    default:
      return html("Not here", `<p>There is no such page. <a href="/">To the shop</a></p>`, 404);
  }
}

const server = createServer((request, response) => {
  const send = ({ status, headers, body }) => response.writeHead(status, { ...headers, "x-page-process": String(process.pid) }).end(body);
  (async () => {
    if (request.method === "POST") request.form = await formOf(request);
    send(await answer(request));
  })().catch((error) => {
    const isTooLarge = error instanceof RangeError;
    if (!isTooLarge) console.error(error);
    send({
      status: isTooLarge ? 413 : 500,
      headers: { "content-type": "text/plain" },
      body: isTooLarge ? error.message : "Something broke.",
    });
  });
});
server.listen(Number(settings.Shop.Port), "127.0.0.1", () => {
  if (noteFile) writeFileSync(noteFile, `${process.pid} ${settings.Shop.Port}\n`);
  console.log(`Open on port ${settings.Shop.Port}`);
});
process.on("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
});
