// The shell script that a machine without anything of ours runs to install the agent: POSIX sh, with curl or wget, tar, gzip and sha256sum.
// It holds no secret; the token comes to it in the environment, and leaves it in bodies of requests, never in arguments of programs.

import type { AgentArchive } from "./agent-archives.ts";

/** A text as one word of the shell. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The line to paste. Tokens are letters, digits, - and _ only. */
export function installLine(origin: string, token: string): string {
  const address = shellWord(`${origin}/api/agent/install`);
  return `{ curl -fsSL ${address} || wget -qO- ${address}; } | CUTTLE_INSTALL_TOKEN=${token} sh`;
}

/** Asks again until the server has made its agent's archive. */
export function waitingScript(origin: string, token: string | undefined): string {
  return `#!/bin/sh
# The server is still making its agent's archive: waits for it, and goes on with the script that installs it.
set -eu
main() {
  server=${shellWord(origin)}
  CUTTLE_INSTALL_TOKEN=\${CUTTLE_INSTALL_TOKEN:-${token ?? ""}}
  export CUTTLE_INSTALL_TOKEN
  CUTTLE_INSTALL_TRIES=$((\${CUTTLE_INSTALL_TRIES:-0} + 1))
  export CUTTLE_INSTALL_TRIES
  if [ "$CUTTLE_INSTALL_TRIES" -eq 1 ]; then echo "The server is making its agent's archive for the first time; waiting for it" >&2; fi
  if [ "$CUTTLE_INSTALL_TRIES" -gt 150 ]; then echo "The archive is not there after five minutes. Look into the server's log." >&2; exit 1; fi
  sleep 2
  if command -v curl >/dev/null 2>&1; then next=$(curl -fsSL "$server/api/agent/install"); else next=$(wget -qO- "$server/api/agent/install"); fi
  exec sh -c "$next"
}
main "$@"
`;
}

/** Says why nothing is installed and where to go, and fails. */
export function refusingScript(origin: string, why: string): string {
  const lines = [
    "",
    `Not installed: ${why}`,
    `What to do: in the portal, ${origin}/app, open Targets and then Add target, make a line, and paste it here.`,
  ];
  return `#!/bin/sh
# The token of this address cannot be used: installs nothing.
printf '%s\\n' ${lines.map(shellWord).join(" ")} >&2
exit 1
`;
}

export function installScript(origin: string, archives: readonly AgentArchive[], token: string | undefined): string {
  const cases = archives
    .map(({ platform, file, sha256, bytes }) => `    ${platform}) file=${shellWord(file)} sha256=${sha256} bytes=${bytes} ;;`)
    .join("\n");
  return `#!/bin/sh
# Installs the Cuttle agent on this machine and registers it, with a token from the server's page "Add target".
#   CUTTLE_INSTALL_TOKEN     the token; needed
#   CUTTLE_AGENT_FOLDER      where to install (default: /opt/cuttle-agent, for others than root ~/.local/share/cuttle-agent)
#   CUTTLE_AGENT_INSTANCE    name of the instance (default: cuttle)
#   CUTTLE_AGENT_PORT        where a listening agent listens (default: 10933)
#   CUTTLE_AGENT_ADDRESS     under which name or address the server calls a listening agent (default: the one it reaches the server with)
#   CUTTLE_MACHINE_NAME      name of the machine at the server, where the token gives none (default: the host's name)
# The same line may be run again after it was interrupted: it goes on where it was.
set -eu

server=${shellWord(origin)}
requestSeconds=30
triesMax=30
readySeconds=90

say() { printf '%s\\n' "$*" >&2; }

cleanUp() { [ -z "\${work:-}" ] || rm -rf "$work"; }

fail() { # what happened, what to check
  say ""
  say "Not installed: $1"
  [ -z "\${2:-}" ] || say "What to check: $2"
  if [ "\${isKnown:-no}" = yes ]; then report Failed "$1" || true; fi
  exit 1
}

# Sends one stage. Answers 0 when the server took it, 1 when it refused (its words are in $answer), 2 when it did not answer.
report() {
  answer=""
  thumbprint=""
  [ ! -s "$folder/thumbprint" ] || thumbprint=$(tr -dc '0-9A-Fa-f' <"$folder/thumbprint")
  words=$(printf '%s' "\${2:-}" | tr -d '\\\\"' | tr '\\n\\r\\t' '   ' | cut -c1-1000)
  printf '{"Token":"%s","Stage":"%s","Message":"%s","Thumbprint":"%s"}' "$token" "$1" "$words" "$thumbprint" >"$work/body"
  if [ "$has" = curl ]; then
    status=$(curl -sS -m $requestSeconds -o "$work/answer" -w '%{http_code}' -H 'Content-Type: application/json' \\
      --data-binary @"$work/body" "$server/api/agent/install/stages" 2>"$work/said") || return 2
  else
    : >"$work/answer"
    more=""
    if wget --help 2>&1 | grep -q content-on-error; then more=--content-on-error; fi
    status=200
    wget -q -T $requestSeconds $more -O "$work/answer" --header 'Content-Type: application/json' --post-file="$work/body" \\
      "$server/api/agent/install/stages" 2>"$work/said" || { if [ -s "$work/answer" ]; then status=400; else return 2; fi; }
  fi
  case $status in
    2??) return 0 ;;
    5??) return 2 ;;
  esac
  answer=$(sed -n 's/.*"ErrorMessage":"\\([^"]*\\)".*/\\1/p' "$work/answer" | head -n 1)
  [ -n "$answer" ] || answer="the server answered with status $status"
  return 1
}

# The same until the server answers, for a minute: it may just be starting again.
reportSurely() {
  tries=0
  while :; do
    result=0
    report "$1" "\${2:-}" || result=$?
    [ $result -ne 0 ] || return 0
    [ $result -ne 1 ] || { isKnown=no; fail "$answer"; }
    tries=$((tries + 1))
    [ $tries -lt $triesMax ] || fail "the server does not answer at $server" "can this machine reach that address? Then run the same line again"
    [ $tries -ne 1 ] || say "The server does not answer at $server; trying again for a minute"
    sleep 2
  done
}

download() {
  mkdir -p "$folder/downloads"
  archive="$folder/downloads/$file"
  if [ -s "$archive" ] && [ "$(sha256sum <"$archive" | cut -d' ' -f1)" = "$sha256" ]; then
    say "The agent's archive is here already"
    return 0
  fi
  say "Downloading the agent ($((bytes / 1024 / 1024)) MiB) from $server"
  tries=0
  while :; do
    done=yes
    if [ "$has" = curl ]; then
      if [ -t 2 ]; then bar='-#'; else bar='-sS'; fi
      curl -f $bar -o "$archive.part" "$server/api/agent/download/$file" || done=no
    else
      if [ -t 2 ]; then bar=''; else bar='-q'; fi
      wget $bar -O "$archive.part" "$server/api/agent/download/$file" || done=no
    fi
    [ $done = no ] || break
    tries=$((tries + 1))
    [ $tries -lt $triesMax ] || fail "the agent could not be downloaded from $server" "can this machine reach that address? Then run the same line again"
    say "The download broke off; trying again"
    sleep 2
  done
  found=$(sha256sum <"$archive.part" | cut -d' ' -f1)
  if [ "$found" != "$sha256" ]; then
    rm -f "$archive.part"
    fail "the download has the wrong hash (SHA-256 $found instead of $sha256) and was thrown away" \\
      "does something between this machine and the server change what is downloaded? Or the server was upgraded meanwhile: run the same line again"
  fi
  mv "$archive.part" "$archive"
}

unpack() {
  program="$folder/program-$(printf '%s' "$sha256" | cut -c1-12)"
  if [ ! -x "$program/cuttle-agent" ]; then
    rm -rf "$program.new"
    mkdir -p "$program.new"
    gzip -dc "$archive" | tar -xf - -C "$program.new" || fail "the archive could not be unpacked into $program.new" "is the disk full?"
    mv "$program.new"/cuttle-agent-* "$program" || fail "the archive could not be put into $program" "may this user write there?"
    rmdir "$program.new"
  fi
  ln -sfn "$program" "$folder/program"
  agent="$folder/program/cuttle-agent"
  "$agent" version </dev/null >"$work/said" 2>&1 \\
    || fail "the agent does not run here: $(head -c 300 "$work/said")" "it needs a Linux with glibc 2.28 or newer, such as Debian 10 or RHEL 8"
}

# An instance of its own, so that other agents of this machine are not touched.
configure() {
  if [ ! -e "$folder/home/Tentacle.config" ]; then
    mkdir -p "$folder/home"
    chmod 700 "$folder/home"
  fi
  "$agent" create-instance --instance="$instance" --config="$folder/home/Tentacle.config" --home="$folder/home" </dev/null >"$work/said" 2>&1 \\
    && "$agent" configure --instance="$instance" --app="$folder/home/Applications" --port="$port" </dev/null >>"$work/said" 2>&1 \\
    && "$agent" new-certificate --instance="$instance" --if-blank </dev/null >>"$work/said" 2>&1 \\
    || fail "the agent could not be configured: $(tail -c 300 "$work/said")" "may this user write to $folder?"
}

# The token is in the environment of this one call.
join() { # step
  if ! CUTTLE_INSTALL_TOKEN=$token "$agent" join --step="$1" --instance="$instance" --server="$server" \\
    \${CUTTLE_AGENT_ADDRESS:+--publicHostName="$CUTTLE_AGENT_ADDRESS"} \${CUTTLE_MACHINE_NAME:+--name="$CUTTLE_MACHINE_NAME"} \\
    </dev/null >"$work/joined" 2>"$work/said"; then
    fail "$(tail -c 900 "$work/said" | tr '\\n' ' ')"
  fi
  cat "$work/said" >&2
}

hasSystemd() { [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ] && command -v systemctl >/dev/null 2>&1; }

stopOld() {
  [ -s "$folder/agent.pid" ] || return 0
  old=$(cat "$folder/agent.pid")
  # The number may belong to somebody else by now.
  if ! tr '\\0' ' ' <"/proc/$old/cmdline" 2>/dev/null | grep -q -F "$folder/program"; then return 0; fi
  kill "$old" 2>/dev/null || return 0
  waited=0
  while kill -0 "$old" 2>/dev/null && [ $waited -lt $readySeconds ]; do
    sleep 1
    waited=$((waited + 1))
  done
}

startAgent() {
  if hasSystemd; then
    "$agent" service --instance="$instance" --install --restart </dev/null >"$work/said" 2>&1 \\
      || fail "the service could not be started: $(tail -c 300 "$work/said")" "what does 'systemctl status' say of it?"
    how="systemctl restart cuttle-agent-$instance (see: systemctl list-units '*$instance*')"
    return 0
  fi
  stopOld
  cat >"$folder/start" <<END
#!/bin/sh
# Starts the agent of this folder in the background.
cd '$folder' || exit 1
TentacleMachineConfigurationHomeDirectory='$TentacleMachineConfigurationHomeDirectory'
export TentacleMachineConfigurationHomeDirectory
nohup '$folder/program/cuttle-agent' run --instance='$instance' >>'$folder/agent.log' 2>&1 </dev/null &
echo \\$! >'$folder/agent.pid'
END
  chmod 755 "$folder/start"
  : >"$folder/agent.log"
  "$folder/start"
  waited=0
  until grep -q '"ready":true' "$folder/agent.log"; do
    kill -0 "$(cat "$folder/agent.pid")" 2>/dev/null || fail "the agent ended: $(tail -c 300 "$folder/agent.log")" "the log $folder/agent.log"
    [ $waited -lt $((readySeconds * 5)) ] || fail "the agent is not ready after $readySeconds s" "the log $folder/agent.log"
    # Not every sleep knows parts of a second.
    sleep 0.2 2>/dev/null || sleep 1
    waited=$((waited + 1))
  done
  how="$folder/start"
}

main() {
  umask 022
  token=\${CUTTLE_INSTALL_TOKEN:-${token ?? ""}}
  # No program gets it from here that does not need it.
  unset CUTTLE_INSTALL_TOKEN
  isKnown=no
  work=""
  trap cleanUp EXIT
  [ -n "$token" ] || fail "there is no token" "paste the whole line: it ends with CUTTLE_INSTALL_TOKEN=... sh"
  case $token in *[!A-Za-z0-9_-]*) fail "this is no token" "copy the line again" ;; esac
  if [ -n "\${CUTTLE_AGENT_FOLDER:-}" ]; then folder=$CUTTLE_AGENT_FOLDER
  elif [ "$(id -u)" = 0 ]; then folder=/opt/cuttle-agent
  else folder=\${HOME:?}/.local/share/cuttle-agent; fi
  case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
  case $folder in *"'"*) fail "the folder's name holds a quote: $folder" "choose another one with CUTTLE_AGENT_FOLDER" ;; esac
  instance=\${CUTTLE_AGENT_INSTANCE:-cuttle}
  port=\${CUTTLE_AGENT_PORT:-10933}
  for tool in tar gzip sha256sum sed; do
    command -v $tool >/dev/null 2>&1 || fail "this machine has no $tool" "install it with the package manager, and run the same line again"
  done
  if command -v curl >/dev/null 2>&1; then has=curl
  elif command -v wget >/dev/null 2>&1; then has=wget
  else fail "this machine has neither curl nor wget" "install one with the package manager"; fi
  case $(uname -s) in Linux) os=linux ;; *) fail "the agent runs on Linux; this is $(uname -s)" ;; esac
  case $(uname -m) in
    x86_64 | amd64) platform=$os-x64 ;;
    aarch64 | arm64) platform=$os-arm64 ;;
    *) fail "there is no agent for $(uname -m)" ;;
  esac
  case $platform in
${cases}
    *) fail "this server has no agent for $platform" "put its archive beside the server's others (docs/operating/agents.md)" ;;
  esac
  mkdir -p "$folder" 2>/dev/null || fail "$folder cannot be made by this user" "choose a folder of your own: CUTTLE_AGENT_FOLDER=... in front of sh"
  work=$(mktemp -d)
  # Everybody's settings are for root; others keep theirs in their folder.
  if [ "$(id -u)" != 0 ] || [ -n "\${CUTTLE_AGENT_FOLDER:-}" ]; then
    TentacleMachineConfigurationHomeDirectory=\${TentacleMachineConfigurationHomeDirectory:-$folder/machine}
  else
    TentacleMachineConfigurationHomeDirectory=\${TentacleMachineConfigurationHomeDirectory:-/etc/octopus}
  fi
  export TentacleMachineConfigurationHomeDirectory

  reportSurely Started "$(uname -sm) in $folder"
  isKnown=yes
  download
  report Downloaded "SHA-256 $sha256" || true
  unpack
  configure
  join prepare
  cut -d' ' -f2 <"$work/joined" >"$folder/thumbprint"
  style=$(cut -d' ' -f1 <"$work/joined")
  say "Installed in $folder"
  # The server calls a listening agent as soon as it knows it; one that polls is let in once it is known.
  if [ "$style" = listening ]; then startAgent; join register; else join register; startAgent; fi
  say "Start it again with: $how"
  join wait
}

main "$@"
`;
}
