// A limit on this command itself: a bug of ours that never ends must not cost anyone their verdict, or their
// night.
#pragma once

#include "harness/deadline.h"
#include "harness/result.h"

namespace shmcheck::harness {

// Ends the process so long after now, with a sentence and the verdict of the last note.
void start_watchdog(milliseconds limit);
// What the verdict would be if the run ended now.
void note_verdict(Verdict verdict);

}  // namespace shmcheck::harness
