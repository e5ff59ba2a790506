// A C door to SentencePiece's trainer: the crate `sentencepiece` binds encoding only and does not pass on the
// library's headers, so what is called of them is declared here again, in the same order and with the same layout
// (SentencePiece 0.2, as bundled by sentencepiece-sys 0.14).
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

namespace sentencepiece {

void SetMinLogLevel(int level);

namespace util {
enum class StatusCode : int { kOk = 0, kAborted = 10 };

class Status {
 public:
  Status();
  ~Status();
  Status(StatusCode code, std::string_view message);
  Status(const Status &other);
  void operator=(const Status &other);
  const char *error_message() const;
  StatusCode code() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};
}  // namespace util

class SentenceIterator {
 public:
  virtual ~SentenceIterator() {}
  virtual bool done() const = 0;
  virtual void Next() = 0;
  virtual const std::string &value() const = 0;
  virtual util::Status status() const = 0;
};

class SentencePieceTrainer {
 public:
  static util::Status Train(std::string_view arguments, SentenceIterator *sentences, std::string *model);
};

}  // namespace sentencepiece

namespace {

// Gives the next sentence: 1 and its bytes (valid until the next call), 0 at the end, -1 to stop with an error.
using NextSentence = int (*)(void *context, const unsigned char **bytes, size_t *length);

class Callback final : public sentencepiece::SentenceIterator {
 public:
  Callback(NextSentence next, void *context) : next_(next), context_(context) { Next(); }
  bool done() const override { return state_ != 1; }
  void Next() override {
    const unsigned char *bytes = nullptr;
    size_t length = 0;
    state_ = next_(context_, &bytes, &length);
    if (state_ == 1) value_.assign(reinterpret_cast<const char *>(bytes), length);
  }
  const std::string &value() const override { return value_; }
  sentencepiece::util::Status status() const override {
    if (state_ < 0) return sentencepiece::util::Status(sentencepiece::util::StatusCode::kAborted, "stopped");
    return sentencepiece::util::Status();
  }

 private:
  NextSentence next_;
  void *context_;
  int state_ = 0;
  std::string value_;
};

unsigned char *copied(const std::string &text, size_t *length) {
  auto *bytes = static_cast<unsigned char *>(std::malloc(text.empty() ? 1 : text.size()));
  *length = bytes == nullptr ? 0 : text.size();
  if (bytes != nullptr) std::memcpy(bytes, text.data(), text.size());
  return bytes;
}

}  // namespace

// Trains; returns the status code. `*output` is the model (code 0) or the error's text, freed by tongues_trainer_free.
extern "C" int tongues_trainer_train(const char *arguments, size_t arguments_length, NextSentence next, void *context,
                                     unsigned char **output, size_t *output_length) {
  try {
    sentencepiece::SetMinLogLevel(3);
    std::string model;
    Callback sentences(next, context);
    const auto status = sentencepiece::SentencePieceTrainer::Train(std::string_view(arguments, arguments_length),
                                                                   &sentences, &model);
    const int code = static_cast<int>(status.code());
    *output = copied(code == 0 ? model : std::string(status.error_message()), output_length);
    return code;
  } catch (const std::exception &error) {
    *output = copied(error.what(), output_length);
    return 2;
  } catch (...) {
    *output = copied("unknown exception", output_length);
    return 2;
  }
}

extern "C" void tongues_trainer_free(unsigned char *output) { std::free(output); }
