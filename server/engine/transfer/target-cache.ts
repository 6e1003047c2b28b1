// What a target keeps of what was sent to it, and how its shell works with that: blocks by their hash, and for each archive the list of its
// blocks. Needs bash, tar, gzip and sha256sum, nothing of ours. Only text is made here.
//
//   <home>/Files/cuttle/archives/<group>@<hash>   the blocks of an archive, one a line; the newest few of each group are kept
//   <home>/Files/cuttle/blocks/<hash>             what was checked against its name
//   <home>/Files/cuttle/incoming/…                what was uploaded and is not checked yet

/** Below the agent's home, with a name that an upload may have. */
export const incomingFolder = "Files/cuttle/incoming";
/** Tells the server which blocks are there: a `1` or a `0` for each, in lines of so many. */
export const blocksPerLine = 4_000;
/** Archives of a group that stay, so that the next version finds most of its blocks and a rollback all of them. */
export const archivesKept = 3;
/** In seconds; whoever holds the lock of the cache needs a fraction of one, or is dead. */
const lockSeconds = 30;
const incomingMinutesMax = 24 * 60;

/** What each script at a target needs: the place, and the lock. Programs that a script starts cost milliseconds each, so these start few. */
const sharedFunctions = `
cuttle_cache="\${TentacleHome:?This agent does not say where its home is.}/Files/cuttle"
# A file that only one can make; the shell does it by itself. Scripts of an older server make a folder of this name.
cuttle_lock() {
  local tries=0
  until cuttle_try_lock; do
    tries=$((tries + 1))
    [ "$tries" -lt ${lockSeconds * 10} ] || { rm -f "$cuttle_cache/lock" 2>/dev/null || rmdir "$cuttle_cache/lock" 2>/dev/null; tries=0; }
    sleep 0.1
  done
}
cuttle_try_lock() {
  local status
  set -C
  { : > "$cuttle_cache/lock"; } 2>/dev/null
  status=$?
  set +C
  return "$status"
}
cuttle_unlock() { rm -f "$cuttle_cache/lock"; }
`;

/** Functions for the question. `group` and `archive` are made of letters, digits and `. _ -`. */
export const askFunctions = `${sharedFunctions}
# group archive; the hashes of its blocks on standard input. Says which of them are there.
cuttle_ask() {
  local blocks list="$cuttle_cache/archives/$1@$2" block there=''
  mapfile -t blocks
  cuttle_renew "$list" || cuttle_list "$list" || { echo "The list of the package's blocks cannot be written to $cuttle_cache." >&2; return 1; }
  for block in "\${blocks[@]}"; do
    if [ -f "$cuttle_cache/blocks/$block" ]; then there+=1; else there+=0; fi
    [ "\${#there}" -lt ${blocksPerLine} ] || { echo "blocks $there"; there=''; }
  done
  [ -z "$there" ] || echo "blocks $there"
}
# list. One that is there only becomes young again, so that it is not among the oldest: the same bytes are written into it. Who forgets holds
# the lock from before the look at the ages until all is gone, so when there is no lock afterwards, and still the list, it stays.
cuttle_renew() {
  local there
  [ -f "$1" ] && mapfile -t there < "$1" && [ "\${there[*]}" = "\${blocks[*]}" ] || return 1
  printf '%s\n' "\${blocks[@]}" 1<> "$1" && [ ! -e "$cuttle_cache/lock" ] && [ -f "$1" ]
} 2>/dev/null
cuttle_list() (
  umask 077
  [ -d "$cuttle_cache/archives" ] && [ -d "$cuttle_cache/blocks" ] && [ -d "$cuttle_cache/incoming" ] ||
    mkdir -p "$cuttle_cache/archives" "$cuttle_cache/blocks" "$cuttle_cache/incoming" || exit 1
  cuttle_lock
  printf '%s\n' "\${blocks[@]}" > "$1.$$" && mv -f "$1.$$" "$1"
  status=$?
  cuttle_unlock
  exit "$status"
)
`;

/** Functions for scripts that work with what was sent; below those that every script has, of which they use `write_verbose`. */
export const targetCacheFunctions = `${sharedFunctions}
# owner archive. Takes over what was uploaded on behalf of the owner, after a look at every block.
cuttle_accept() {
  local bundle
  for bundle in "$cuttle_cache/incoming/$1-"*"-$2.tar"; do
    [ ! -f "$bundle" ] || cuttle_accept_one "$bundle"
  done
}
cuttle_accept_one() (
  umask 077
  folder="$1.$$"
  [ ! -e "$folder" ] || rm -rf "$folder"
  mkdir "$folder" || exit 1
  if tar -xf "$1" -C "$folder" 2>/dev/null && sums="$(cd "$folder" && sha256sum -- *)"; then
    good=()
    while read -r hash name; do [ "$hash" != "$name" ] || good+=("$folder/$name"); done <<< "$sums"
    # Each appears whole under its name. Whoever forgets meanwhile does not mean them: their archive's list is there and young.
    [ "\${#good[@]}" = 0 ] || mv -f -- "\${good[@]}" "$cuttle_cache/blocks/"
  fi
  rm -rf "$folder" "$1"
)

# group archive. Fills the array blocks of whoever calls; fails when one is not there.
cuttle_blocks() {
  local block missing=0
  mapfile -t blocks < "$cuttle_cache/archives/$1@$2" || return 1
  for block in "\${blocks[@]}"; do [ -f "$cuttle_cache/blocks/$block" ] || missing=$((missing + 1)); done
  [ "$missing" -gt 0 ] || return 0
  echo "$missing of the \${#blocks[@]} blocks of the package are missing in $cuttle_cache: they did not arrive whole, or somebody removed them. Deploy again." >&2
  return 1
}
# plain. The archive as a tar; plain has a 1 for each block that gzip has not packed.
cuttle_cat() {
  local at to kind count="\${#blocks[@]}"
  cd "$cuttle_cache/blocks" || return 1
  for ((at = 0; at < count; at = to)); do
    kind="\${1:at:1}"
    for ((to = at + 1; to < count && to - at < 500; to++)); do [ "\${1:to:1}" = "$kind" ] || break; done
    if [ "$kind" = 1 ]; then cat -- "\${blocks[@]:at:to - at}"
    else ( set -o pipefail; cat -- "\${blocks[@]:at:to - at}" | gzip -dc )
    fi || return 1
  done
}

# A block that the disk has damaged would fail every time: it has to be sent again.
cuttle_look() (
  cd "$cuttle_cache/blocks" || exit 1
  for block in "\${blocks[@]}"; do
    read -r sum _ < <(sha256sum -- "$block") || continue
    [ "$sum" = "$block" ] || { rm -f -- "$block"; echo "A damaged block of it was removed; deploying again sends it again." >&2; }
  done
)

# group archive folder plain. Unpacks what was accepted.
cuttle_unpack() {
  local blocks=() states
  cuttle_blocks "$1" "$2" || return 1
  cuttle_cat "\${4:-}" | tar -xmof - -C "$3"
  states=("\${PIPESTATUS[@]}")
  [ "\${states[*]}" = '0 0' ] && return 0
  echo "The package could not be unpacked to $3 (codes \${states[*]}). Is there room on the disk, and may this user write there?" >&2
  cuttle_look
  return 1
}

# group archive file. Puts what was accepted together again as one file, which has the archive's hash.
cuttle_join() {
  local blocks=() sum
  cuttle_blocks "$1" "$2" || return 1
  if ( IFS=''; cuttle_cat "\${blocks[*]/*/1}" ) > "$3"; then
    read -r sum _ < <(sha256sum < "$3")
    [ "$sum" != "$2" ] || return 0
  fi
  echo "The package could not be put together as $3. Is there room on the disk, and may this user write there?" >&2
  cuttle_look
  return 1
}

# group minutes. Removes what only older archives of the group need that nobody asked for so long, and what was never accepted.
cuttle_forget() {
  local left lists
  shopt -s nullglob
  left=("$cuttle_cache/incoming/"*)
  lists=("$cuttle_cache/archives/$1@"*)
  shopt -u nullglob
  [ "\${#left[@]}" = 0 ] || find "$cuttle_cache/incoming" -mindepth 1 -maxdepth 1 -mmin +${incomingMinutesMax} -exec rm -rf -- {} + 2>/dev/null
  [ "\${#lists[@]}" -le ${archivesKept} ] || cuttle_forget_lists "$@"
}
cuttle_forget_lists() (
  shopt -s nullglob
  cd "$cuttle_cache" || exit 0
  cuttle_lock
  kept=0
  while IFS= read -r name; do
    case "$name" in "$1@"*) ;; *) continue ;; esac
    kept=$((kept + 1))
    [ "$kept" -gt ${archivesKept} ] || continue
    [ -z "$2" ] || [ -n "$(find "archives/$name" -mmin "+$2")" ] || continue
    rm -f -- "archives/$name"
  done < <(ls -1t archives)
  declare -A needed=()
  while IFS= read -r block; do needed[$block]=1; done < <(cat archives/*)
  unneeded=()
  for file in blocks/*; do [ -n "\${needed[\${file#blocks/}]}" ] || unneeded+=("$file"); done
  for ((at = 0; at < \${#unneeded[@]}; at += 500)); do rm -f -- "\${unneeded[@]:at:500}"; done
  cuttle_unlock
  write_verbose "Removed \${#unneeded[@]} blocks that no kept version of the package needs."
  exit 0
)
`;

/** A name of letters, digits and `. _ -` for what has any name. Two names may become one: they only share their place in the cache. */
export function cacheGroup(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9._-]/g, "_")
    .slice(0, 100);
}
