#include "lib/group/shared_sa.h"

#include "lib/crypto/prf.h"
#include "lib/crypto/suite.h"

namespace sheaf::group {

bool same(const SharedSa& a, const SharedSa& b) {
    return a.spi == b.spi && a.suite == b.suite && equal(a.nonce, b.nonce) &&
           constant_time_equal(a.sk_d.view(), b.sk_d.view());
}

SharedSa draw_sa(Random& random, const Suite& suite, wire::ChildSpi spi) {
    SharedSa sa{spi, suite, Bytes(kSentNonce), Secret(prf_length(suite.prf))};
    random.fill(sa.nonce);
    random.fill(sa.sk_d.span());
    return sa;
}

wire::ChildSpi draw_spi(Random& random, wire::ChildSpi last) {
    const std::uint32_t drawn = random.u32();
    if (last == 0) return kFirstGroupSpi | drawn;
    return kFirstGroupSpi | (last + 1 + drawn % 256);
}

crypto::DirectionKeys keys(crypto::Backend& backend, const SharedSa& sa) {
    const std::size_t encr = encr_key_length(sa.suite.encr);
    const std::size_t integ = integ_key_length(sa.suite.integ);
    const Secret material = crypto::prf_plus(backend, sa.suite.prf, sa.sk_d.view(), {sa.nonce}, encr + integ);
    return {Secret::copy_of(material.view().first(encr)), Secret::copy_of(material.view().subspan(encr))};
}

} // namespace sheaf::group
