#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sheaf::bench {

// A line through points; both of a point's values are above 0.
struct Series {
    std::string name;
    std::string colour; // of SVG
    std::vector<std::pair<double, double>> points;
    bool dashed = false;
};

// Both axes are logarithmic.
struct Panel {
    std::string title;
    std::string across; // what the axis means
    std::string up;
    std::vector<Series> series;
};

// The panels beside each other, as an SVG document.
[[nodiscard]] std::string svg(const std::vector<Panel>& panels);

} // namespace sheaf::bench
