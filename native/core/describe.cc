#include <sstream>

#include "native/core/program.h"

namespace cotangent {
namespace {

class Writer {
 public:
  void program(const Program& program, const std::string& indent) {
    text_ << indent << "program (";
    for (int k = 0; k < program.input_count; ++k) {
      text_ << (k ? ", " : "") << "%" << k << ":" << show(program.types[k]) << (program.donated[k] ? " donated" : "");
    }
    text_ << ") {\n";
    for (const Equation& line : program.equations) equation(program, line, indent + "  ");
    text_ << indent << "  return " << list(program, program.outputs, {}) << "\n" << indent << "}\n";
  }
  std::string text() const { return text_.str(); }

 private:
  static std::string value(const Program& program, int id, const Type* type) {
    if (id < 0) return "_";
    const int root = program.root[id];
    std::ostringstream text;
    const auto constant = program.constants.find(root);
    if (constant != program.constants.end()) {
      text << constant->second;
    } else {
      text << "%" << root;
    }
    text << ":" << show(type ? *type : program.types[id]);
    return text.str();
  }

  static std::string list(const Program& program, const std::vector<int>& ids, const std::vector<Type>& types) {
    std::string text;
    for (size_t k = 0; k < ids.size(); ++k) {
      text += (k ? ", " : "") + value(program, ids[k], types.empty() ? nullptr : &types[k]);
    }
    return text;
  }

  void equation(const Program& program, const Equation& equation, const std::string& indent) {
    text_ << indent << list(program, equation.out, equation.out_types) << (equation.out.empty() ? "" : " = ")
          << equation.name;
    if (!equation.labels.empty()) {
      text_ << "[";
      for (size_t k = 0; k < equation.labels.size(); ++k) text_ << (k ? " " : "") << equation.labels[k];
      text_ << "]";
    }
    text_ << " (" << list(program, equation.in, equation.in_types) << ")\n";
    for (const Program& sub : equation.subs) this->program(sub, indent + "  ");
  }

  std::ostringstream text_;
};

}  // namespace

std::string describe(const Program& program) {
  Writer writer;
  writer.program(program, "");
  return writer.text();
}

}  // namespace cotangent
