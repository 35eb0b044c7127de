// chain: y_j = formulas(x_1, .., x_n), all results in one pass.
#include "native/kernels/elementwise/chain.h"

#include <algorithm>

#include "native/kernels/elementwise/chain_evaluator.h"
#include "native/kernels/elementwise/formulas.h"

namespace cotangent::cpu {
namespace {

class ChainKernel : public Kernel {
 public:
  explicit ChainKernel(const OpDesc& desc) : chain_(desc) {
    estimated_ns = 50 + chain_.element_ns() * static_cast<double>(chain_.count());
    for (int j = 0; j < desc.out_count(); ++j) in_place[j] = chain_.in_place(desc, j);
  }

  uint64_t workspace_bytes(int threads) const override {
    return static_cast<uint64_t>(chain_.thread_bytes() * threads);
  }
  int pieces(int threads) const override { return pieces_by_time(threads, chain_.count() / (chain_.tile() * 64)); }

  ct_code run(const Launch& launch, ct_error*) const override {
    if (chain_.count() == 0) return CT_OK;
    const int64_t tile = chain_.tile();
    const Piece piece(chain_.count(), launch.piece, pieces(launch.parallel.threads()), tile);
    const int64_t tiles = (piece.length() + tile - 1) / tile;
    const int64_t wanted = std::max<int64_t>(1, piece.length() / chain_.grain());
    const int parts = static_cast<int>(std::min<int64_t>(launch.parallel.threads(), wanted));
    const bool streaming = chain_.can_stream(launch.in, launch.out);
    launch.parallel.parts(parts, [&](int part) {
      const int64_t begin = piece.begin + tiles * part / parts * tile;
      const int64_t end = std::min(piece.end, piece.begin + tiles * (part + 1) / parts * tile);
      if (begin >= end) return;
      char* const memory = static_cast<char*>(launch.workspace) + chain_.thread_bytes() * part;
      ChainEvaluator::Walker(chain_, launch.in, launch.out, memory, streaming).run(begin, end);
    });
    return CT_OK;
  }

 private:
  ChainEvaluator chain_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_chain(const OpDesc& desc) { return std::make_unique<ChainKernel>(desc); }

void register_elementwise(Registry& registry) {
  registry.add("chain", prepare_chain);
  registry.add("chainReduce", prepare_chain_reduce);
  registry.add("cast", prepare_cast);
}

}  // namespace cotangent::cpu
