// The byte stream to the host, in frames.
#pragma once

#include <span>
#include <string_view>

#include "program/frame.h"

namespace shmcheck::executor {

class Channel {
 public:
  Channel(int in, int out);

  enum class Got { frame, closed, damaged };
  // Waits for the next frame. `payload` is valid until the next call; `fault` says how a frame was damaged.
  Got receive(program::FrameHeader& header, std::span<const std::uint8_t>& payload,
              program::FrameFault& fault);

  // False if the host is gone.
  bool send(program::FrameType type, std::uint32_t sequence, std::span<const std::uint8_t> payload);
  bool send(program::FrameType type, std::uint32_t sequence, std::string_view text);
  // `frame` holds a payload behind room for a header.
  bool send_in_place(program::FrameType type, std::uint32_t sequence, std::span<std::uint8_t> frame);

  int out() const { return out_; }

 private:
  bool fill(std::size_t needed);
  bool ask_for_more();

  int in_, out_;
  bool terminal_;                    // the host may not send far ahead, see ask_for_more()
  std::uint64_t taken_ = 0;          // bytes, since the beginning
  std::size_t begin_ = 0, end_ = 0;  // of what is unread in input_area()
};

}  // namespace shmcheck::executor
