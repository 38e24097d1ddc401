# Sums up lines of STATE TAB RUNNER TAB TEST TAB REASON (see results.awk), ending with one line
# "N passed, N failed[, N skipped]". Exit status 1 if a test failed or none passed.
BEGIN { FS = "\t" }
!($2 in seen) { seen[$2] = 1; runners[++n] = $2 }
{ ++count[$1]; ++count[$1, $2] }
$1 == "skipped" { skips[++skipped] = sprintf("  skipped  %s: %s%s", $2, $3, $4 == "" ? "" : ": " $4) }
$1 == "failed" { failures[++failed] = sprintf("  FAILED   %s: %s%s", $2, $3, $4 == "" ? "" : ": " $4) }
END {
  for (i = 1; i <= skipped; ++i) print skips[i]
  for (i = 1; i <= failed; ++i) print failures[i]
  printf "\n%-24s %7s %7s %7s\n", "runner", "passed", "failed", "skipped"
  for (i = 1; i <= n; ++i) {
    r = runners[i]
    printf "%-24s %7d %7d %7d\n", r, count["passed", r], count["failed", r], count["skipped", r]
  }
  printf "\n%d passed, %d failed%s\n", count["passed"], failed, skipped ? ", " skipped " skipped" : ""
  exit failed > 0 || count["passed"] + 0 == 0
}
