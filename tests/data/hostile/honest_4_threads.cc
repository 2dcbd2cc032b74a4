// expect: pass
#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <numeric>
#include <regex>
#include <thread>
#include <vector>
int Depth(int n) { volatile char pad[64] = {}; return n == 0 ? pad[0] : 1 + Depth(n - 1); }
int main() {
  std::vector<std::thread> threads;
  std::atomic<int> sum = 0;
  for (int i = 0; i < 20; ++i) threads.emplace_back([&, i] { std::vector<int> own(1000, i); sum += std::accumulate(own.begin(), own.end(), 0); });
  for (auto& thread : threads) thread.join();
  auto later = std::async(std::launch::async, [] { return 7; });
  std::ofstream("/tmp/a.txt") << "x";
  std::filesystem::copy_file("/tmp/a.txt", "/tmp/b.txt");
  try { throw 1; } catch (int) {}
  const bool fine = sum == 190000 && later.get() == 7 && std::filesystem::exists("/tmp/b.txt") && Depth(200000) == 200000;
  std::cout << (fine && std::regex_match("aab", std::regex("a+b")) ? "ok" : "no") << std::endl;
}
