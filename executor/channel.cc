#include "executor/channel.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>

#include <algorithm>
#include <cstring>

#include "executor/control.h"

namespace shmcheck::executor {
namespace {

using program::FrameFault;
using program::FrameHeader;
using program::FrameType;
using program::kFrameHeaderBytes;

constexpr std::size_t kReadAtOnce = 65536;

bool write_all(int fd, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    long n = sys(SYS_write, fd, bytes.data(), bytes.size());
    if (n == -EINTR && load(control->stopping) == 0) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

Channel::Channel(int in, int out) : in_(in), out_(out) {
  termios settings;
  terminal_ = !failed(sys(SYS_ioctl, in, TCGETS, &settings));
}

// User-Mode Linux (6.1 at least) gives a serial line no interrupt any more once its buffer of 4 KiB was
// nearly full: its line_throttle() deactivates the channel, and nothing activates it again.
bool Channel::ask_for_more() {
  if (!terminal_ || begin_ == end_) return true;
  std::uint8_t taken[sizeof taken_];
  program::put_little(taken, taken_);
  return send(FrameType::more, 0, std::span<const std::uint8_t>(taken));
}

// Makes `needed` unread bytes contiguous. False if the stream ends before.
bool Channel::fill(std::size_t needed) {
  std::span<std::uint8_t> area = input_area();
  if (begin_ == end_) begin_ = end_ = 0;
  if (begin_ + needed > area.size()) {
    std::memmove(area.data(), area.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  while (end_ - begin_ < needed) {
    std::size_t room = std::min(area.size() - end_, std::max(kReadAtOnce, needed - (end_ - begin_)));
    if (!ask_for_more()) return false;
    long n = sys(SYS_read, in_, area.data() + end_, room);
    if (n == -EINTR && load(control->stopping) == 0) continue;
    if (n <= 0) return false;
    end_ += static_cast<std::size_t>(n);
    taken_ += static_cast<std::uint64_t>(n);
  }
  return true;
}

Channel::Got Channel::receive(FrameHeader& header, std::span<const std::uint8_t>& payload,
                              FrameFault& fault) {
  if (!fill(kFrameHeaderBytes)) return Got::closed;
  fault = decode_header(input_area().data() + begin_, header);
  if (fault != FrameFault::none) return Got::damaged;
  if (!fill(kFrameHeaderBytes + header.length)) return Got::closed;
  const std::uint8_t* at = input_area().data() + begin_;
  payload = {at + kFrameHeaderBytes, header.length};
  fault = program::check_payload(at, payload);
  if (fault != FrameFault::none) return Got::damaged;
  begin_ += kFrameHeaderBytes + header.length;
  return Got::frame;
}

bool Channel::send_in_place(FrameType type, std::uint32_t sequence, std::span<std::uint8_t> frame) {
  FrameHeader header;
  header.type = type;
  header.sequence = sequence;
  encode_header(header, frame.subspan(kFrameHeaderBytes), frame.data());
  return write_all(out_, frame);
}

bool Channel::send(FrameType type, std::uint32_t sequence, std::span<const std::uint8_t> payload) {
  FrameHeader header;
  header.type = type;
  header.sequence = sequence;
  std::uint8_t bytes[kFrameHeaderBytes];
  encode_header(header, payload, bytes);
  return write_all(out_, bytes) && write_all(out_, payload);
}

bool Channel::send(FrameType type, std::uint32_t sequence, std::string_view text) {
  return send(type, sequence, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

}  // namespace shmcheck::executor
