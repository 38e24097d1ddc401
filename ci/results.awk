# Turns what CTest wrote (--output-junit) into one line per test:  STATE TAB RUNNER TAB TEST TAB REASON
#
#   awk -v runner=NAME -v gtest=DIR -f ci/results.awk CTEST.xml
#
# A test with a GoogleTest report, DIR/TEST.xml, counts as the tests in that report, any other as one.

function attribute(line, name) {
  if (!match(line, " " name "=\"[^\"]*\"")) return ""
  return substr(line, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
}

# The last line of a message: GoogleTest puts file and line before it.
function reason(message) {
  gsub(/(&#x0A;)+$/, "", message)
  sub(/.*&#x0A;/, "", message)
  gsub(/&lt;/, "<", message); gsub(/&gt;/, ">", message)
  gsub(/&quot;/, "\"", message); gsub(/&apos;/, "'", message); gsub(/&amp;/, "\\&", message)
  return message
}

function say(state, name, why) { printf "%s\t%s\t%s\t%s\n", state, runner, name, why }

# Counts the tests of one report; false if there is none.
function report(test, file, line, name, state, why, tests, bad) {
  file = gtest "/" test ".xml"
  if ((getline line < file) <= 0) return 0
  while ((getline line < file) > 0) {
    if (line ~ /^    <testcase /) {
      if (name != "") say(state, name, why)
      name = test "/" attribute(line, "classname") "." attribute(line, "name")
      state = attribute(line, "result") == "completed" ? "passed" : "skipped"
      why = state == "skipped" ? "disabled" : ""
      ++tests
    } else if (line ~ /^      <failure /) {
      if (state != "failed") ++bad
      state = "failed"; why = ""
    } else if (line ~ /^      <skipped / && state != "failed") {
      state = "skipped"; why = reason(attribute(line, "message"))
    }
  }
  close(file)
  if (name != "") say(state, name, why)
  if (failed && !bad) say("failed", test, "failed outside its tests: a crash, a leak or a timeout")
  if (!failed && bad) say("failed", test, "has failing tests but ended with success")
  if (!failed && !tests) say("failed", test, "ran no test")
  return 1
}

function finish() {
  if (test != "" && !report(test)) say(state, test, why)
  test = ""
}

/^\t<testcase / {
  finish()
  test = attribute($0, "name"); state = attribute($0, "status"); why = ""
  failed = state == "fail"
  state = failed ? "failed" : state == "run" ? "passed" : "skipped"
}
# CTest calls a test whose binary is missing "skipped" as well.
/^\t\t<skipped / && state == "skipped" {
  why = reason(attribute($0, "message"))
  if (why !~ /^SKIP_/) { state = "failed"; failed = 1 }
}
END { finish() }
