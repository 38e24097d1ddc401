# Prints what each failed test of a CTest report (--output-junit) said last: CI systems keep the end of a log.
#
#   awk -v runner=NAME -f ci/failures.awk CTEST.xml

function unescape(line) {
  gsub(/&lt;/, "<", line); gsub(/&gt;/, ">", line)
  gsub(/&quot;/, "\"", line); gsub(/&apos;/, "'", line); gsub(/&amp;/, "\\&", line)
  return line
}

function tell(    i) {
  if (failed) {
    printf "-- %s: %s said last:\n", runner, name
    for (i = n > 60 ? n - 60 : 0; i < n; ++i) print "   " unescape(said[i])
  }
  failed = 0
}

/^\t<testcase / {
  n = 0
  failed = / status="fail"/
  match($0, / name="[^"]*"/)
  name = substr($0, RSTART + 7, RLENGTH - 8)
}
{ line = $0; sub(/^\t*<system-out>/, "", line) }
# Of GoogleTest's own lines only those about failures help, and of the report's tags none.
failed && line !~ /^\[( RUN|       OK|---|===)/ && line !~ /^\t*<\/?(testcase|failure|system-out)/ && line != "" {
  said[n++] = line
}
/<\/testcase>/ { tell() }
