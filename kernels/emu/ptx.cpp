#include "ptx.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace emu {

namespace {

// The number in brackets: of ".b8 name[48];" 48; 1 without brackets.
int bracketed(const std::string& line) {
  const size_t open = line.find('[');
  return open == std::string::npos ? 1 : atoi(line.c_str() + open + 1);
}

// The bytes of one element of a declaration: of ".param .u64 name" 8.
int element(const std::string& line, const char* after) {
  size_t at = line.find(after) + std::string(after).size();
  if (line.compare(at, 7, ".align ") == 0) at = line.find('.', at + 1);
  while (at < line.size() && !isdigit(static_cast<unsigned char>(line[at]))) at++;
  return atoi(line.c_str() + at) / 8;
}

// The product of the numbers after a directive: of ".maxntid 16, 16, 1" 256.
int product(const std::string& line, const char* directive) {
  int result = 1;
  std::stringstream numbers(line.substr(line.find(directive) + std::string(directive).size()));
  for (int n; numbers >> n;) {
    result *= n;
    if (numbers.peek() == ',') numbers.ignore();
  }
  return result;
}

bool has(const std::string& line, const char* what) { return line.find(what) != std::string::npos; }

}  // namespace

std::string read_ptx(const std::string& text, Ptx& ptx) {
  std::stringstream lines(text);
  PtxEntry* entry = nullptr;
  int depth = 0, major = 0, minor = 0, number = 0;
  for (std::string line; std::getline(lines, line); number++) {
    if (const size_t comment = line.find("//"); comment != std::string::npos) line.resize(comment);
    if (sscanf(line.c_str(), ".version %d.%d", &major, &minor) == 2) ptx.version = 10 * major + minor;
    if (sscanf(line.c_str(), ".target sm_%d", &major) == 1) ptx.target = major;
    if (const size_t at = line.find(".entry "); at != std::string::npos) {
      const std::string rest = line.substr(at + 7);
      entry = &ptx.entries[rest.substr(0, rest.find_first_of("( \t"))];
    }
    if (entry && depth == 0 && has(line, ".param ")) entry->size.push_back(element(line, ".param ") * bracketed(line));
    if (entry && depth == 0 && has(line, ".maxntid ")) entry->max_threads = product(line, ".maxntid ");
    if (entry && depth > 0 && has(line, ".shared .align")) entry->shared += element(line, ".shared ") * bracketed(line);
    for (const char c : line) depth += (c == '{') - (c == '}');
    if (depth < 0) return "line " + std::to_string(number + 1) + ": a brace too many";
    if (entry && depth == 0 && has(line, "}")) entry = nullptr;
  }
  if (ptx.version == 0 || ptx.target == 0) return "this is not PTX: it has no .version and .target";
  if (depth != 0) return "the PTX ends within a kernel";
  return "";
}

}  // namespace emu
