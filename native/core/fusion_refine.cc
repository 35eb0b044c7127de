// What greedy merging does not see: equations that cost less memory traffic in the group that reads them, and
// reductions of a group's values.
#include <algorithm>

#include "native/core/fuser.h"
#include "native/core/fusion.h"

namespace cotangent {

// Elementwise equations by group.
std::map<int, std::vector<int>> Fuser::chains() const {
  std::map<int, std::vector<int>> members;
  for (int k = 0; k < count_; ++k) {
    if (nodes_[k].elementwise) members[group_of_[k]].push_back(k);
  }
  return members;
}

int Fuser::lane_of(const std::vector<int>& members) const {
  int lane = kBoolLane;
  for (const int k : members) lane = std::max(lane, nodes_[k].lane);
  return lane;
}

// Bytes that a chain of these equations moves. A store that misses the cache reads its line first.
int64_t Fuser::traffic(const std::vector<int>& members) const {
  if (members.empty()) return 0;
  const Interface interface = interface_of(members);
  const auto bytes = [&](int value, const Dims& dims) { return byte_count(chain_type(type(value).dtype, dims)); };
  int64_t total = 0;
  for (const Operand& operand : interface.inputs) total += bytes(operand.root, operand.dims);
  for (const int k : interface.outputs) total += 2 * bytes(equation(k).out[0], nodes_[k].dims);
  return total;
}

// An equation may have joined a group for an operand that it shares, while its result is read by another group alone.
// There it goes, with what it alone reads, when less is written and read that way. No path can come back: whatever it
// reads came before that group already.
void Fuser::sink() {
  std::map<int, std::vector<int>> members = chains();
  for (int k = count_ - 1; k >= 0; --k) {
    if (!nodes_[k].elementwise) continue;
    const std::vector<int>& uses = uses_[equation(k).out[0]];
    if (uses.empty() || uses[0] < 0) continue;
    const int from = group_of_[k], into = group_of_[uses[0]];
    const bool alone =
        std::all_of(uses.begin(), uses.end(), [&](int use) { return use >= 0 && group_of_[use] == into; });
    if (!alone || into == from || !nodes_[uses[0]].elementwise || nodes_[uses[0]].dims != nodes_[k].dims) continue;
    if (!sink_from(k, members[from], members[into])) continue;
    for (const int moved : members[into]) group_of_[moved] = into;
    // A group is named by one of its members: if that went, by another.
    if (members[from].empty() || group_of_[from] == from) continue;
    const int name = members[from].front();
    for (const int left : members[from]) group_of_[left] = name;
    members[name] = std::move(members[from]);
    members.erase(from);
  }
}

bool Fuser::sink_from(int k, std::vector<int>& from, std::vector<int>& into) {
  const int lane = lane_of(from), other = lane_of(into);
  if (lane != other && lane != kBoolLane && other != kBoolLane) return false;
  std::vector<int> moved{k}, left, joined = into;
  const auto belongs = [&](int use) {
    return std::find(moved.begin(), moved.end(), use) != moved.end() ||
           std::binary_search(into.begin(), into.end(), use);
  };
  for (auto at = from.rbegin(); at != from.rend(); ++at) {
    if (*at == k) continue;
    const std::vector<int>& uses = uses_[equation(*at).out[0]];
    (*at < k && std::all_of(uses.begin(), uses.end(), belongs) ? moved : left).push_back(*at);
  }
  std::sort(left.begin(), left.end());
  joined.insert(joined.end(), moved.begin(), moved.end());
  std::sort(joined.begin(), joined.end());
  if (!fits(joined) || !fits(left) || traffic(joined) + traffic(left) >= traffic(from) + traffic(into)) return false;
  from = std::move(left);
  into = std::move(joined);
  return true;
}

// Reductions over other axes than those of the group's first one stay apart.
void Fuser::add_reductions() {
  std::map<int, std::vector<int>> members = chains();
  for (int k = 0; k < count_; ++k) {
    if (nodes_[k].elementwise || equation(k).in.size() != 1 || equation(k).in[0] < 0) continue;
    const int from = producer(root(equation(k).in[0]));
    if (from < 0 || !nodes_[from].elementwise) continue;
    const auto reduction = chain_reduction(program_, equation(k), nodes_[from].dims);
    if (!reduction) continue;
    const int group = group_of_[from];
    const auto [first, fresh] = reduction_of_.try_emplace(group, *reduction);
    if (first->second.axis != reduction->axis || first->second.axis_count != reduction->axis_count) continue;
    std::vector<int>& list = members[group];
    list.push_back(k);
    if (fits(list)) {
      group_of_[k] = group;
    } else {
      list.pop_back();
      if (fresh) reduction_of_.erase(first);
    }
  }
}

}  // namespace cotangent
