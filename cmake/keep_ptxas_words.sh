#!/usr/bin/env bash
# Runs a compiler. What ptxas says of registers and spills goes beside the object, as OBJECT.ptxas
# (tests/kernels/cuda/spills_test.cmake reads it); all else it says is shown.
case " $* " in
  *" -x cu "*) ;;
  *) exec "$@" ;;
esac
object=
previous=
for argument; do
  [ "$previous" = -o ] && object=$argument
  previous=$argument
done
code=0
"$@" 2>"$object.ptxas" || code=$?
grep -vE '^ptxas info|bytes stack frame|^$' "$object.ptxas" >&2
exit $code
