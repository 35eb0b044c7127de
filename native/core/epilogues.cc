// Sums around a product of matrices, folded into the product: c + alpha A B is one pass over the result instead of two
// or three, and a donated c is updated where it is (a weight by its gradient, a sum of products by its next term).
#include <algorithm>
#include <cmath>

#include "native/core/passes.h"

namespace cotangent {
namespace {

class EpilogueFuser {
 public:
  explicit EpilogueFuser(Program& program)
      : program_(program), producer_(program.types.size(), -1), uses_(program.types.size(), 0) {}

  void run() {
    for (Equation& equation : program_.equations) {
      for (Program& sub : equation.subs) EpilogueFuser(sub).run();
    }
    count_uses();
    for (size_t k = 0; k < program_.equations.size(); ++k) fuse(program_.equations[k]);
    auto& equations = program_.equations;
    equations.erase(std::remove_if(equations.begin(), equations.end(), [](const Equation& e) { return e.dropped; }),
                    equations.end());
  }

 private:
  // alpha A B, and the equations that compute nothing else.
  struct Product {
    Equation* matmul = nullptr;
    Equation* scaling = nullptr;
    double alpha = 1;
  };

  int root(int value) const { return program_.root[value]; }

  void count_uses() {
    for (const int value : program_.outputs) {
      if (value >= 0) ++uses_[root(value)];
    }
    for (size_t k = 0; k < program_.equations.size(); ++k) {
      const Equation& equation = program_.equations[k];
      for (const int value : equation.in) {
        if (value >= 0) ++uses_[root(value)];
      }
      for (const int value : equation.out) {
        if (root(value) == value) producer_[value] = static_cast<int>(k);
      }
    }
  }

  // The equation that computes a value nobody else reads, as it is stored; null when there is none.
  Equation* only_reader_of(int value) {
    if (root(value) != value || uses_[value] != 1 || producer_[value] < 0) return nullptr;
    Equation& from = program_.equations[producer_[value]];
    return from.dropped ? nullptr : &from;
  }

  static bool is_product(const Equation* equation) {
    return equation && equation->kind == Kind::kKernel && equation->name == "matmul" && equation->in.size() == 2;
  }

  Product product_in(int value) {
    Product found;
    Equation* const from = only_reader_of(value);
    if (is_product(from)) {
      found.matmul = from;
    } else if (from && from->kind == Kind::kFormula && from->name == "mul") {
      for (int side = 0; side < 2; ++side) {
        const auto constant = program_.constants.find(root(from->in[1 - side]));
        if (constant == program_.constants.end()) continue;
        Equation* const inner = only_reader_of(from->in[side]);
        if (!is_product(inner)) continue;
        found = {inner, from, constant->second};
        break;
      }
    }
    return found;
  }

  // Whether the product is one of matrices: vectors have kernels of their own.
  bool is_matrix(const Type& type) const {
    return type.rank >= 2 && type.dims[type.rank - 1] > 1 && type.dims[type.rank - 2] > 1;
  }

  void fuse(Equation& equation) {
    const bool add = equation.name == "add", subtract = equation.name == "sub";
    if (equation.kind != Kind::kFormula || !(add || subtract)) return;
    const Type& type = program_.types[equation.out[0]];
    if (!is_matrix(type)) return;
    for (int side = 1; side >= 0; --side) {
      const int value = equation.in[side], other = equation.in[1 - side];
      if (program_.types[value] != type || program_.types[other] != type || root(value) == root(other)) continue;
      const Product product = product_in(value);
      // A factor of zero would keep NaN and infinity out; an operand that is a factor, too, must not be overwritten.
      if (!product.matmul || product.alpha == 0 || !std::isfinite(product.alpha)) continue;
      // A bias would have to be spread over the result first; a chain adds it on its way.
      if (producer_[root(other)] >= 0 && program_.equations[producer_[root(other)]].kind == Kind::kBroadcast) continue;
      if (root(other) == root(product.matmul->in[0]) || root(other) == root(product.matmul->in[1])) continue;
      const double alpha = subtract && side == 1 ? -product.alpha : product.alpha;
      const double beta = subtract && side == 0 ? -1 : 1;
      Equation fused = std::move(*product.matmul);
      product.matmul->dropped = true;
      if (product.scaling) product.scaling->dropped = true;
      fused.in.push_back(other);
      fused.params.insert(fused.params.end(), {alpha, beta});
      fused.out = equation.out;
      equation = std::move(fused);
      return;
    }
  }

  Program& program_;
  std::vector<int> producer_;  // per stored value: the equation that computes it
  std::vector<int> uses_;      // per stored value
};

}  // namespace

void fuse_epilogues(Program& program) { EpilogueFuser(program).run(); }

}  // namespace cotangent
