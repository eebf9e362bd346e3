// Reading PTX: what it says about each kernel, which launches are held to.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace emu {

struct PtxEntry {
  std::vector<int> size;      // bytes of each parameter
  int max_threads = 1024;     // .maxntid
  int shared = 0;             // bytes, static
};

struct Ptx {
  int version = 0;            // major·10 + minor: 80
  int target = 0;             // 75
  std::map<std::string, PtxEntry> entries;
};

// Reads PTX as nvcc writes it; returns what is wrong with it, "" when nothing is.
std::string read_ptx(const std::string& text, Ptx& ptx);

}  // namespace emu
