// Huge pages of the default size: what there is of them, and who may have segments of them.
#pragma once

namespace shmcheck::executor {

// Sets target.layout.huge and huge_page.
void find_huge_pages();

// Sets target.layout.huge_users, as far as it is u0's group: before this process enters a user namespace, in
// which the group of the machine has no number.
void find_huge_group();
// The rest of it, once the other users are known.
void find_huge_users();

// Whether the descriptor is that of a file of huge pages.
bool is_of_huge_pages(int fd);

}  // namespace shmcheck::executor
