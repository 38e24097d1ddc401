// Everything that a conformance test uses. docs/conformance.md shows how to write one.
#pragma once

#include "conformance/framework/environment.h"  // IWYU pragma: export
#include "conformance/framework/maps.h"         // IWYU pragma: export
#include "conformance/framework/memory.h"       // IWYU pragma: export
#include "conformance/framework/objects.h"      // IWYU pragma: export
#include "conformance/framework/outcome.h"      // IWYU pragma: export
#include "conformance/framework/process.h"      // IWYU pragma: export
#include "conformance/framework/registry.h"     // IWYU pragma: export
#include "conformance/framework/sys.h"          // IWYU pragma: export
#include "gmock/gmock.h"                        // IWYU pragma: export
#include "gtest/gtest.h"                        // IWYU pragma: export
