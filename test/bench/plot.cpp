#include "test/bench/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace sheaf::bench {
namespace {

constexpr double kPanelWidth = 520, kHeight = 400; // pixels
constexpr double kLeft = 64, kRight = 170, kTop = 44, kBottom = 52;
constexpr double kLineHeight = 16;

// Whole decades that hold all values.
struct Axis {
    int from = 0, to = 1; // exponents of 10
    double start = 0, end = 0;

    Axis(const Panel& panel, bool across, double first, double last) : start(first), end(last) {
        double least = 1e300, most = 1e-300;
        for (const auto& series : panel.series) {
            for (const auto& [x, y] : series.points) {
                least = std::min(least, across ? x : y);
                most = std::max(most, across ? x : y);
            }
        }
        from = static_cast<int>(std::floor(std::log10(least)));
        to = std::max(from + 1, static_cast<int>(std::ceil(std::log10(most))));
    }
    [[nodiscard]] double at(double value) const {
        return start + (std::log10(value) - from) / (to - from) * (end - start);
    }
};

std::string decade(int exponent) {
    if (exponent < 0) return fmt::format("{:.{}f}", std::pow(10, exponent), -exponent);
    std::string out = "1";
    for (int zeros = exponent; zeros > 0; --zeros)
        out += zeros % 3 == 0 ? ",0" : "0";
    return out;
}

void draw_axes(std::string& out, const Panel& panel, const Axis& x, const Axis& y) {
    for (int e = x.from; e <= x.to; ++e) {
        const double at = x.at(std::pow(10, e));
        out += fmt::format(R"(<path class="grid" d="M{0:.1f} {1:.1f}V{2:.1f}"/>)"
                           R"(<text x="{0:.1f}" y="{3:.1f}" text-anchor="middle">{4}</text>)"
                           "\n",
                           at, y.start, y.end, y.start + kLineHeight, decade(e));
    }
    for (int e = y.from; e <= y.to; ++e) {
        const double at = y.at(std::pow(10, e));
        out += fmt::format(R"(<path class="grid" d="M{0:.1f} {1:.1f}H{2:.1f}"/>)"
                           R"(<text x="{3:.1f}" y="{4:.1f}" text-anchor="end">{5}</text>)"
                           "\n",
                           x.start, at, x.end, x.start - 6, at + 4, decade(e));
    }
    const double middle = (x.start + x.end) / 2;
    out += fmt::format(R"(<text class="title" x="{:.1f}" y="20" text-anchor="middle">{}</text>)"
                       "\n",
                       middle, panel.title);
    out += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)"
                       "\n",
                       middle, kHeight - 12, panel.across);
    out += fmt::format(
        R"~(<text transform="translate({:.1f} {:.1f}) rotate(-90)" text-anchor="middle">{}</text>)~"
        "\n",
        x.start - kLeft + 12, (y.start + y.end) / 2, panel.up);
}

// Each line is named at its end; names that would touch are moved apart.
void draw_series(std::string& out, const Panel& panel, const Axis& x, const Axis& y) {
    struct Label {
        double at = 0;
        const Series* series = nullptr;
    };
    std::vector<Label> labels;
    for (const auto& series : panel.series) {
        std::string path;
        for (const auto& [across, up] : series.points) {
            path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.at(across), y.at(up));
            if (!series.dashed)
                out += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>)", x.at(across),
                                   y.at(up), series.colour);
        }
        out += fmt::format(R"(<path class="line" stroke="{}"{} d="{}"/>)"
                           "\n",
                           series.colour, series.dashed ? R"( stroke-dasharray="5 4")" : "", path);
        labels.push_back({y.at(series.points.back().second), &series});
    }
    std::ranges::sort(labels, {}, &Label::at);
    for (std::size_t i = 1; i < labels.size(); ++i)
        labels[i].at = std::max(labels[i].at, labels[i - 1].at + kLineHeight);
    for (const auto& label : labels)
        out += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" fill="{}">{}</text>)"
                           "\n",
                           x.end + 8, label.at + 4, label.series->colour, label.series->name);
}

} // namespace

std::string svg(const std::vector<Panel>& panels) {
    const double width = kPanelWidth * static_cast<double>(panels.size());
    std::string out = fmt::format(
        R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}">)"
        "\n<style>text {{ font: 12px sans-serif }} .title {{ font-weight: bold }}"
        " .grid {{ stroke: #ddd; fill: none }} .line {{ stroke-width: 2; fill: none }}</style>\n"
        R"(<rect width="100%" height="100%" fill="white"/>)"
        "\n",
        width, kHeight);
    for (std::size_t i = 0; i < panels.size(); ++i) {
        const double start = kPanelWidth * static_cast<double>(i);
        const Axis x(panels[i], true, start + kLeft, start + kPanelWidth - kRight);
        const Axis y(panels[i], false, kHeight - kBottom, kTop);
        draw_axes(out, panels[i], x, y);
        draw_series(out, panels[i], x, y);
    }
    return out + "</svg>\n";
}

} // namespace sheaf::bench
