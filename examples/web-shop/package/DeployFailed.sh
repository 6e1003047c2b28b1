# What somebody who has to find out what went wrong would look at first.
data="$(get_octopusvariable "Shop:DataFolder")"
if [ -s "$data/shop.log" ]; then
  echo "The end of $data/shop.log:"
  tail -n 20 "$data/shop.log"
fi
