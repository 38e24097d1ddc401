// Compiled by names_test.cmake with CLAUSE_NAME naming a clause, or not.
#include "clauses/clauses.h"

static_assert(shmcheck::clauses::Clause::CLAUSE_NAME != shmcheck::clauses::Clause::none);
