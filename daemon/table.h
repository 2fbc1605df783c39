#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sheaf::daemon {

enum class Tone : std::uint8_t { plain, strong, faint, good, caution, bad };

// Text in a colour of the terminal, or as it is.
[[nodiscard]] std::string toned(std::string_view text, Tone tone, bool colour);

// Columns on a terminal: a header line, then the rows, each column as wide as its widest text.
class Table {
  public:
    struct Cell {
        std::string text;
        Tone tone = Tone::plain;
        // So that a row can be written as a list of texts.
        Cell(std::string words, Tone how = Tone::plain) : text(std::move(words)), tone(how) {}
        Cell(const char* words) : text(words) {}
    };
    enum class Side : std::uint8_t { left, right };
    struct Column {
        std::string head;
        Side side = Side::left;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    void row(std::vector<Cell> cells); // as many as there are columns; control characters are escaped
    [[nodiscard]] bool empty() const { return rows_.empty(); }
    [[nodiscard]] std::string text(bool colour) const; // ends in a newline

  private:
    [[nodiscard]] std::string line(const std::vector<Cell>& cells, const std::vector<std::size_t>& widths,
                                   bool colour) const;

    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

} // namespace sheaf::daemon
