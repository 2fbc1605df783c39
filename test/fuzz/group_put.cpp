#include "lib/group/put.h"
#include "test/fuzz/target.h"

// The data of an MPSA_PUT. The SPI in front of them is the one inside, so that inputs get past its check.
SHEAF_FUZZ_TARGET(group_put) {
    wire::Notify notify{wire::Protocol::esp, {}, group::kMpsaPut, {input.begin(), input.end()}};
    if (input.size() >= 12) notify.spi.assign(input.begin() + 8, input.begin() + 12);
    const auto put = group::read_put(notify, {true});
    if (!put) {
        require(!group::sentence(put.error()).empty(), "a refusal has a sentence");
        return;
    }
    require(put->life.count() > 0, "a lifetime is not zero");
    require(put->sa.nonce.size() >= 16 && put->sa.nonce.size() <= 256, "a nonce has its size");
    const wire::Notify strict = group::write_put(*put);
    const auto again = group::read_put(strict, {true});
    require(again.has_value(), "what was read is written so that it is accepted");
    require(group::write_put(*again) == strict, "what was written reads the same again");
}
