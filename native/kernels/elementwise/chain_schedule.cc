#include "native/kernels/elementwise/chain_schedule.h"

#include <algorithm>
#include <utility>

namespace cotangent {
namespace {

class Scheduler {
 public:
  explicit Scheduler(const ChainProgram& program)
      : program_(program), uses_(program.instructions.size(), 0), need_(program.instructions.size(), 1) {
    for (size_t i = 0; i < program.instructions.size(); ++i) {
      std::vector<int> needs;
      for (const int child : children(static_cast<int>(i))) {
        ++uses_[child];
        needs.push_back(need_[child]);
      }
      std::sort(needs.rbegin(), needs.rend());
      for (size_t k = 0; k < needs.size(); ++k) need_[i] = std::max(need_[i], needs[k] + static_cast<int>(k));
    }
  }

  std::vector<int> order() {
    std::vector<bool> done(program_.instructions.size(), false);
    std::vector<int> order;
    std::vector<std::pair<int, bool>> stack;  // instruction; whether its operands are on the stack already
    for (const int id : program_.outputs) {
      if (id >= program_.in_count) stack.emplace_back(id - program_.in_count, false);
      while (!stack.empty()) {
        const auto [instruction, expanded] = stack.back();
        stack.pop_back();
        if (done[instruction]) continue;
        if (expanded) {
          done[instruction] = true;
          order.push_back(instruction);
          continue;
        }
        stack.emplace_back(instruction, true);
        std::vector<int> operands = children(instruction);
        std::stable_sort(operands.begin(), operands.end(), [&](int a, int b) {
          if ((uses_[a] > 1) != (uses_[b] > 1)) return uses_[a] > 1;
          return need_[a] > need_[b];
        });
        for (auto it = operands.rbegin(); it != operands.rend(); ++it) stack.emplace_back(*it, false);
      }
    }
    return order;
  }

 private:
  std::vector<int> children(int instruction) const {
    std::vector<int> found;
    const ChainInstruction& item = program_.instructions[instruction];
    for (int k = 0; k < item.operand_count; ++k) {
      const int child = item.operands[k] - program_.in_count;
      if (child >= 0 && std::find(found.begin(), found.end(), child) == found.end()) found.push_back(child);
    }
    return found;
  }

  const ChainProgram& program_;
  std::vector<int> uses_;
  std::vector<int> need_;
};

}  // namespace

std::vector<int> schedule_chain(const ChainProgram& program) { return Scheduler(program).order(); }

}  // namespace cotangent
