#pragma once

#include "lib/mobility/codec.h"
#include "test/support/mobile_net.h"

#include <catch2/catch.hpp>

namespace sheaf::test {

using namespace std::chrono_literals;

struct Roaming : MobileNet {
    using MobileNet::MobileNet;

    void check_sound() const {
        for (const Host* host : {&agent, &node}) {
            for (const auto& breach : host->kernel.breaches)
                FAIL_CHECK(breach);
        }
    }
};

} // namespace sheaf::test
