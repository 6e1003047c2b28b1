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

/** Functions for scripts that run at the target; each program that they start costs milliseconds, so they start few. `group` and `archive` are made of letters, digits and `. _ -`. */
export const targetCacheFunctions = `
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

# group archive; the hashes of its blocks on standard input. Says which of them are there.
cuttle_ask() (
  umask 077
  [ -d "$cuttle_cache/archives" ] && [ -d "$cuttle_cache/blocks" ] && [ -d "$cuttle_cache/incoming" ] ||
    mkdir -p "$cuttle_cache/archives" "$cuttle_cache/blocks" "$cuttle_cache/incoming" || exit 1
  mapfile -t blocks
  cuttle_lock
  list="$cuttle_cache/archives/$1@$2"
  printf '%s\n' "\${blocks[@]}" > "$list.$$" && mv -f "$list.$$" "$list"
  status=$?
  cuttle_unlock
  [ "$status" = 0 ] || { echo "The list of the package's blocks cannot be written to $cuttle_cache." >&2; exit 1; }
  there=''
  for block in "\${blocks[@]}"; do
    if [ -f "$cuttle_cache/blocks/$block" ]; then there+=1; else there+=0; fi
    [ "\${#there}" -lt ${blocksPerLine} ] || { echo "blocks $there"; there=''; }
  done
  [ -z "$there" ] || echo "blocks $there"
)

# owner archive. Takes over what was uploaded on behalf of the owner, after a look at every block.
cuttle_accept() (
  umask 077
  shopt -s nullglob
  for bundle in "$cuttle_cache/incoming/$1-"*"-$2.tar"; do
    folder="$bundle.$$"
    rm -rf "$folder" && mkdir "$folder" || exit 1
    if tar -xf "$bundle" -C "$folder" 2>/dev/null && sums="$(cd "$folder" && sha256sum -- *)"; then
      good=()
      while read -r hash name; do [ "$hash" != "$name" ] || good+=("$folder/$name"); done <<< "$sums"
      cuttle_lock
      [ "\${#good[@]}" = 0 ] || mv -f -- "\${good[@]}" "$cuttle_cache/blocks/"
      cuttle_unlock
    fi
    rm -rf "$folder" "$bundle"
  done
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
cuttle_cat() (
  cd "$cuttle_cache/blocks" || exit 1
  for ((at = 0; at < \${#blocks[@]}; at += 500)); do cat -- "\${blocks[@]:at:500}" || exit 1; done
)

# A block that the disk has damaged would fail every time: it has to be sent again.
cuttle_look() (
  cd "$cuttle_cache/blocks" || exit 1
  for block in "\${blocks[@]}"; do
    read -r sum _ < <(sha256sum -- "$block") || continue
    [ "$sum" = "$block" ] || { rm -f -- "$block"; echo "A damaged block of it was removed; deploying again sends it again." >&2; }
  done
)

# group archive folder. Unpacks what was accepted.
cuttle_unpack() {
  local blocks=() states
  cuttle_blocks "$1" "$2" || return 1
  cuttle_cat | tar -xzmof - -C "$3"
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
  if cuttle_cat > "$3"; then
    read -r sum _ < <(sha256sum < "$3")
    [ "$sum" != "$2" ] || return 0
  fi
  echo "The package could not be put together as $3. Is there room on the disk, and may this user write there?" >&2
  cuttle_look
  return 1
}

# group minutes. Removes what only older archives of the group need that nobody asked for so long, and what was never accepted.
cuttle_forget() (
  shopt -s nullglob
  cd "$cuttle_cache" || exit 0
  left=(incoming/*)
  [ "\${#left[@]}" = 0 ] || find incoming -mindepth 1 -maxdepth 1 -mmin +${incomingMinutesMax} -exec rm -rf -- {} + 2>/dev/null
  lists=("archives/$1@"*)
  [ "\${#lists[@]}" -gt ${archivesKept} ] || exit 0
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
  echo "Removed \${#unneeded[@]} blocks that no kept version of the package needs."
  cuttle_unlock
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
