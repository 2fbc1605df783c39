#include "lib/crypto/draw.h"

#include <botan/rng.h>

#include <string>

namespace sheaf::crypto {
namespace {

class Draw final : public Botan::RandomNumberGenerator {
  public:
    explicit Draw(Random& random) : random_(random) {}
    void randomize(std::uint8_t output[], std::size_t length) override { random_.fill({output, length}); }
    void add_entropy(const std::uint8_t[], std::size_t) override {}
    bool accepts_input() const override { return false; }
    bool is_seeded() const override { return true; }
    void clear() override {}
    std::string name() const override { return "engine"; }

  private:
    Random& random_;
};

} // namespace

std::unique_ptr<Botan::RandomNumberGenerator> draw_from(Random& random) {
    return std::make_unique<Draw>(random);
}

} // namespace sheaf::crypto
