// A directory for one test, removed with all that is in it.
#pragma once

#include <stdlib.h>  // mkdtemp

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace shmcheck::harness {

class Room {
 public:
  Room() : path((std::filesystem::temp_directory_path() / "shmcheck-test-XXXXXX").string()) {
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make " + path);
  }
  ~Room() { std::filesystem::remove_all(path); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  // Writes a file in it; its path.
  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(path + "/" + name, std::ios::binary) << content;
    return path + "/" + name;
  }

  std::string path;
};

}  // namespace shmcheck::harness
