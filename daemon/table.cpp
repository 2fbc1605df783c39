#include "daemon/table.h"

#include "daemon/log.h"

#include <algorithm>
#include <utility>

namespace sheaf::daemon {
namespace {

// Code points; names and addresses have no wide ones.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

// Select Graphic Rendition of ECMA-48.
std::string_view code(Tone tone) {
    switch (tone) {
    case Tone::plain: return "";
    case Tone::strong: return "1";
    case Tone::faint: return "2";
    case Tone::good: return "32";
    case Tone::caution: return "33";
    case Tone::bad: return "31";
    }
    return "";
}

void trim_end(std::string& line) { line.erase(line.find_last_not_of(' ') + 1); }

} // namespace

std::string toned(std::string_view text, Tone tone, bool colour) {
    if (!colour || tone == Tone::plain || text.empty()) return std::string(text);
    return "\x1b[" + std::string(code(tone)) + "m" + std::string(text) + "\x1b[0m";
}

void Table::row(std::vector<Cell> cells) {
    for (auto& cell : cells)
        cell.text = escaped(cell.text);
    cells.resize(columns_.size(), Cell(""));
    rows_.push_back(std::move(cells));
}

std::string Table::text(bool colour) const {
    std::vector<Cell> head;
    std::vector<std::size_t> widths;
    for (const auto& column : columns_) {
        head.emplace_back(column.head, Tone::faint);
        widths.push_back(width(column.head));
    }
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], width(row[i].text));
    std::string out = line(head, widths, colour);
    for (const auto& row : rows_)
        out += line(row, widths, colour);
    return out;
}

std::string Table::line(const std::vector<Cell>& cells, const std::vector<std::size_t>& widths,
                        bool colour) const {
    std::string out;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string padding(widths[i] - width(cells[i].text), ' ');
        const std::string text = toned(cells[i].text, cells[i].tone, colour);
        if (i > 0) out += "  ";
        out += columns_[i].side == Side::right ? padding + text : text + padding;
    }
    trim_end(out);
    return out + "\n";
}

} // namespace sheaf::daemon
