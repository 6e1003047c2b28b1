// Connection strings as people write them, and what is said about those that cannot be used.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConnectionString } from "./connection-string.ts";

const expected = { host: "db.example", port: 5433, user: "octo", password: "p@s;s 'w\"", database: "cuttle" };

test("a URL, a .NET string and a libpq string say the same", () => {
  const texts = [
    "postgres://octo:p%40s%3Bs%20%27w%22@db.example:5433/cuttle",
    "POSTGRESQL://octo:p%40s%3Bs%20%27w%22@db.example:5433/cuttle?application_name=x",
    `Host=db.example;Port=5433;Database=cuttle;Username=octo;Password="p@s;s 'w"""`,
    `Server = db.example; Port = 5433; Database = cuttle; User Id = octo; Password = 'p@s;s ''w"'; Pooling=true;`,
  ];
  for (const text of texts) assert.deepEqual(parseConnectionString(text).connection, expected, text);
  assert.deepEqual(parseConnectionString(`host=db.example port=5433 dbname=cuttle user=octo password='p@s s \\'w"'`).connection, {
    ...expected,
    password: "p@s s 'w\"",
  });
});

test("the port has a default, a socket folder and an IPv6 address are hosts", () => {
  assert.equal(parseConnectionString("postgres://u:p@h/d").connection.port, 5432);
  assert.equal(parseConnectionString("postgres:///d?host=/run/postgresql&user=u").connection.host, "/run/postgresql");
  assert.equal(parseConnectionString("postgres://u:p@/d?host=/run/postgresql").connection.host, "/run/postgresql");
  assert.equal(parseConnectionString("postgres://u:p@%2Frun%2Fpostgresql/d").connection.host, "/run/postgresql");
  assert.equal(parseConnectionString("postgres://u:p@[::1]:5/d").connection.host, "::1");
});

test("several hosts are read in each form, in their order, with one port for all or one for each", () => {
  const hosts = (text: string): string[] => {
    const { connection } = parseConnectionString(text);
    return [connection, ...(connection.otherHosts ?? [])].map(({ host, port }) => `${host} ${port}`);
  };
  assert.deepEqual(hosts("Host=a,b;Port=5432,5433;Username=u;Database=d"), ["a 5432", "b 5433"]);
  assert.deepEqual(hosts("Host=a,b;Port=6000;Username=u;Database=d"), ["a 6000", "b 6000"]);
  assert.deepEqual(hosts("Host=a:1,b:2;Username=u;Database=d"), ["a 1", "b 2"]);
  assert.deepEqual(hosts("postgres://u@a:1,b:2/db"), ["a 1", "b 2"]);
  assert.deepEqual(hosts("postgres://u@a,b:2/db?target_session_attrs=read-write"), ["a 5432", "b 2"]);
  assert.deepEqual(hosts("postgres://u:p@[::1]:5,[::2]/db"), ["::1 5", "::2 5432"]);
  assert.deepEqual(hosts("host=a,b,c port=1,2,3 user=u dbname=d"), ["a 1", "b 2", "c 3"]);
  assert.equal(parseConnectionString("postgres://u@a/db").connection.otherHosts, undefined);
});

test("the wish for TLS is understood in each form", () => {
  assert.equal(parseConnectionString("postgres://u:p@h/d").tls, "off");
  assert.equal(parseConnectionString("postgres://u:p@h/d?sslmode=require").tls, "encrypt");
  assert.equal(parseConnectionString("Host=h;Username=u;Database=d;SSL Mode=VerifyFull;Root Certificate=/ca.pem").tls, "verify-host");
  assert.deepEqual(parseConnectionString("host=h user=u dbname=d sslmode=verify-ca sslrootcert=/ca.pem").tlsAuthorityFile, "/ca.pem");
});

test("what cannot be used is refused with its reason and without the password", () => {
  const cases: [string, RegExp][] = [
    ["", /empty/],
    ["mysql://u:hunter22@h/d", /must begin with postgres/],
    ["Server=tcp:sql,1433;Initial Catalog=x;User Id=u;Password=hunter22", /SQL Server/],
    ["Server=sql;Database=x;User Id=u;Password=hunter22;Trusted_Connection=yes", /SQL Server/],
    ["Host=h;Password=hunter22", /does not say the user and the database/],
    ["postgres://u:hunter22@a,b:0/d", /port/],
    ["postgres://u:hunter22@a,/d", /before or after a comma/],
    ["Host=a,b,c;Port=1,2;Username=u;Database=d;Password=hunter22", /3 hosts and 2 ports/],
    ["host=a,a user=u dbname=d password=hunter22", /twice/],
    ["host=1,2,3,4,5,6,7,8,9 user=u dbname=d password=hunter22", /more than 8/],
    ["Host=h;Databse=hunter22", /"databse"/],
    ["postgres://u:hunter22%zz@h/d", /percent/],
    ["postgres://u:hunt/er22@h/d", /percent-encoded/],
    ["postgres://u:hunter22@h:99999/d", /port/],
    ["postgres://u:hunter22@h/d?sslmode=perhaps", /sslmode/],
    ["hunter22", /word=value/],
  ];
  for (const [text, reason] of cases) {
    assert.throws(
      () => parseConnectionString(text),
      (error: Error) => error.name === "ConnectionStringProblem" && reason.test(error.message) && !error.message.includes("hunter22"),
      text,
    );
  }
});
