// Ansible as the peer of our runs on many machines: as many hosts as we have agents, on addresses of this machine, behind SSH servers of their
// own that listen on the loopback only, with keys and configuration in a folder of the measurement. Nothing of the user's ~/.ssh is read
// or written.

import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import fs from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const port = 18_990;
/** One SSH server accepts at most 16. */
const addressesPerServer = 10;
export const ansibleHostsMax = 200;
const startDeadlineMs = 20_000;
const playDeadlineMs = 3 * 60_000;
const sshServer = "/usr/sbin/sshd";

export interface AnsiblePeer {
  /** Runs `true` on all hosts; how long that took. Milliseconds. */
  runTrue(): Promise<number>;
  /** Copies the archive to all hosts and unpacks it there. Milliseconds. */
  unpack(archive: string): Promise<number>;
  /** Where the nth host has the archive's files. */
  folderOf(n: number): string;
  stop(): Promise<void>;
}

/** The peer, or why there is none here. */
export async function startAnsible(folder: string, hosts: number): Promise<AnsiblePeer | string> {
  for (const program of ["ansible", "ansible-playbook", "ssh", "ssh-keygen", "unzip", sshServer])
    if (spawnSync("sh", ["-c", 'command -v "$1"', "sh", program]).status !== 0)
      return `${program} is not installed (apt-get install ansible openssh-server unzip)`;
  if (process.getuid?.() !== 0) return "an SSH server for the measurement needs root";
  if (hosts > ansibleHostsMax) return `it has at most ${ansibleHostsMax} addresses`;

  // Control sockets have short names only.
  const home = await fs.mkdtemp(path.join(os.tmpdir(), "peer-"));
  const servers: ChildProcess[] = [];
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    LANG: "C.UTF-8",
    ANSIBLE_CONFIG: path.join(home, "ansible.cfg"),
    ANSIBLE_LOCAL_TEMP: path.join(home, "tmp"),
  };
  const addresses = Array.from({ length: hosts }, (_, n) => `127.0.1.${n + 1}`);
  const folderOf = (n: number): string => path.join(folder, `host-${n}`);

  async function stop(): Promise<void> {
    for (const address of addresses) {
      const control = path.join(home, `c-${address}`);
      spawnSync("ssh", ["-F", "none", "-o", `ControlPath=${control}`, "-O", "exit", address], { env, stdio: "ignore" });
    }
    await Promise.all(
      servers.map(async (server) => {
        if (server.exitCode !== null || server.signalCode !== null) return;
        const gone = new Promise((resolve) => server.once("exit", resolve));
        server.kill("SIGTERM");
        await gone;
      }),
    );
    await fs.rm(home, { recursive: true, force: true });
  }

  try {
    await fs.mkdir("/run/sshd", { recursive: true, mode: 0o755 });
    for (const key of ["host", "user"]) {
      const made = spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path.join(home, key)]);
      if (made.status !== 0) throw new Error(`ssh-keygen: ${made.stderr.toString()}`);
    }
    for (let first = 0; first < hosts; first += addressesPerServer) {
      const config = path.join(home, `sshd-${first}`);
      await fs.writeFile(
        config,
        [
          ...addresses.slice(first, first + addressesPerServer).map((address) => `ListenAddress ${address}:${port}`),
          `HostKey ${home}/host`,
          `AuthorizedKeysFile ${home}/user.pub`,
          "PidFile none",
          "UsePAM no",
          "StrictModes no",
          "PasswordAuthentication no",
          "PermitRootLogin prohibit-password",
          "MaxStartups 200:30:400",
          "Subsystem sftp internal-sftp",
          "",
        ].join("\n"),
      );
      const server = spawn(sshServer, ["-D", "-e", "-f", config], { stdio: "ignore" });
      process.once("exit", () => server.kill("SIGTERM"));
      servers.push(server);
    }
    await Promise.all(addresses.map(untilListening));
    await fs.writeFile(
      path.join(home, "ansible.cfg"),
      [
        "[defaults]",
        `inventory = ${home}/hosts`,
        "forks = 50",
        "gathering = explicit",
        "host_key_checking = False",
        "interpreter_python = /usr/bin/python3",
        "[ssh_connection]",
        "pipelining = True",
        `ssh_args = -F none -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes`,
        `control_path = ${home}/c-%%h`,
        "",
      ].join("\n"),
    );
    await fs.writeFile(
      path.join(home, "hosts"),
      addresses
        .map((address, n) => {
          const remote = `ansible_remote_tmp=${home}/tmp-${n} destination=${folderOf(n)}`;
          return `${address} ansible_port=${port} ansible_user=${os.userInfo().username} ansible_ssh_private_key_file=${home}/user ${remote}\n`;
        })
        .join(""),
    );
    for (let n = 0; n < hosts; n++) await fs.mkdir(folderOf(n), { recursive: true });
    await fs.writeFile(
      path.join(home, "unpack.yml"),
      JSON.stringify([
        {
          hosts: "all",
          gather_facts: false,
          tasks: [
            { "ansible.builtin.copy": { src: "{{ archive }}", dest: "{{ destination }}/package.zip" } },
            { "ansible.builtin.unarchive": { src: "{{ destination }}/package.zip", dest: "{{ destination }}", remote_src: true } },
          ],
        },
      ]),
    );
  } catch (error) {
    await stop();
    throw error;
  }

  async function play(program: string, args: readonly string[]): Promise<number> {
    const startedMs = performance.now();
    const child = spawn(program, args, { env, cwd: home, stdio: ["ignore", "pipe", "pipe"], timeout: playDeadlineMs });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (piece: Buffer) => (said = (said + piece.toString()).slice(-4_000)));
    const code = await new Promise((resolve, reject) => {
      child.once("close", resolve);
      child.once("error", reject);
    });
    if (code !== 0) throw new Error(`${program} ended with ${String(code)}: ${said}`);
    return performance.now() - startedMs;
  }

  return {
    runTrue: () => play("ansible", ["all", "-m", "ansible.builtin.command", "-a", "true"]),
    unpack: (archive) => play("ansible-playbook", [path.join(home, "unpack.yml"), "-e", `archive=${archive}`]),
    folderOf,
    stop,
  };
}

async function untilListening(address: string): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, address, () => resolve(true));
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (isOpen) return;
    if (performance.now() - startedMs > startDeadlineMs) throw new Error(`No SSH server answers at ${address}:${port}.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
