// Scheduling, aborts, back pressure and the ends of environments.
#include <sys/resource.h>

#include <algorithm>

#include "native/core/pool.h"
#include "native/core/relax.h"
#include "test/native/core_testing.h"

namespace cotangent::testing {
namespace {

double milliseconds_since(int64_t begin) { return static_cast<double>(now_ns() - begin) * 1e-6; }

// while (x >= 0) x = x + 1: never ends when it starts from 1. A carry that stays what it is would be known beforehand,
// and the loop gone.
Ref<Executable> endless() {
  Source condition;
  condition.input(float64());
  condition.outputs = {condition.one("ge", {0, condition.constant(CT_FLOAT64, 0)}, boolean())};
  Source body;
  body.input(float64());
  const int one = body.constant(CT_FLOAT64, 1);
  body.outputs = {body.one("add", {0, one}, float64())};
  Source source;
  source.input(float64());
  source.outputs = source.apply("while", {0}, {float64()}, {0, 0, 1}, {condition, body});
  return compile(source);
}

Ref<Executable> doubling(int64_t size = 1) {
  Source source;
  source.input(float64({size}));
  source.outputs = {source.one("add", {0, 0}, float64({size}))};
  return compile(source);
}

Ref<Value> scalar(double value) { return make_value(float64(), {value}); }
Ref<Value> single(double value) { return make_value(float64({1}), {value}); }

std::string failure_of(const Ref<Value>& value) {
  return value->state() == Value::State::kFailed ? value->failure()->message : "";
}

void order() {
  TestClient client;
  const Ref<Stream> stream = executor().create_stream(client);
  const Ref<Executable> twice = doubling();
  Ref<Value> value = single(1);
  for (int k = 0; k < 40; ++k) value = client.enqueue(*stream, *twice, {value})[0];
  CHECK(await(value) && same(numbers_of(*value), {1099511627776.0}), "2^40");
}

void aborts() {
  TestClient client;
  const Ref<Stream> stream = executor().create_stream(client), other = executor().create_stream(client);
  const Ref<Executable> forever = endless(), twice = doubling();
  const Ref<Value> running = client.enqueue(*stream, *forever, {scalar(1)})[0];
  const Ref<Value> queued = client.enqueue(*stream, *twice, {single(1)})[0];
  Source source;  // waits for a value of the aborted stream
  source.input(float64());
  source.outputs = {source.one("add", {0, 0}, float64())};
  const Ref<Value> dependent = client.enqueue(*other, *compile(source), {running})[0];
  CHECK(!await(running, 30), "the loop ended");
  CHECK(dependent->state() == Value::State::kPending && queued->state() == Value::State::kPending, "ran too early");
  const int64_t begin = now_ns();
  executor().abort(*stream);
  for (const Ref<Value>& value : {running, queued, dependent}) {
    CHECK(await(value), "pending");
    CHECK(value->state() == Value::State::kFailed && value->failure()->code == CT_ABORTED, "%s",
          failure_of(value).c_str());
  }
  CHECK(milliseconds_since(begin) < 1000, "%f ms", milliseconds_since(begin));
  const Ref<Value> late = client.enqueue(*stream, *twice, {single(1)})[0];
  CHECK(await(late) && late->state() == Value::State::kFailed, "an aborted stream works on");
  const Ref<Value> served = client.enqueue(*other, *twice, {single(1)})[0];
  CHECK(await(served) && same(numbers_of(*served), {2}), "the queue does not serve any more");
}

// Two endless loops and short Programs in between.
void fairness() {
  TestClient client;
  const Ref<Executable> forever = endless(), twice = doubling();
  const Ref<Stream> first = executor().create_stream(client), second = executor().create_stream(client);
  const Ref<Stream> quick = executor().create_stream(client);
  const Ref<Value> one = client.enqueue(*first, *forever, {scalar(1)})[0],
                   two = client.enqueue(*second, *forever, {scalar(1)})[0];
  std::vector<double> times;
  for (int k = 0; k < 50; ++k) {
    const int64_t begin = now_ns();
    CHECK(await(client.enqueue(*quick, *twice, {single(1)})[0]), "pending");
    times.push_back(milliseconds_since(begin));
  }
  std::sort(times.begin(), times.end());
  std::printf("short Programs beside two endless loops: median %.2f ms, last %.2f ms\n", times[25], times.back());
  CHECK(times[45] < 10, "the 90th percentile is %f ms", times[45]);
  // And a flood of short ones does not starve a long one: this loop of 2 million equations has to end.
  Source body;
  body.input(float64());
  const int step = body.constant(CT_FLOAT64, 1);
  body.outputs = {body.one("add", {0, step}, float64())};
  Source source;
  source.input(float64());
  source.outputs = source.apply("scan", {0}, {float64()}, {0, 1, 200'000, 0}, {body});
  const Ref<Stream> third = executor().create_stream(client);
  const Ref<Value> counted = client.enqueue(*third, *compile(source), {scalar(0)})[0];
  const int64_t begin = now_ns();
  while (counted->state() == Value::State::kPending && milliseconds_since(begin) < 30'000) {
    client.enqueue(*quick, *twice, {single(1)});
  }
  CHECK(await(counted, 0) && same(numbers_of(*counted), {200'000}), "starved");
  CHECK(one->state() == Value::State::kPending && two->state() == Value::State::kPending, "the loops ended");
}

void back_pressure() {
  TestClient client, neighbour;
  const Ref<Stream> stream = executor().create_stream(client), other = executor().create_stream(neighbour);
  const Ref<Executable> forever = endless(), twice = doubling();
  const uint64_t blocked = executor().statistics().blocked_enqueues;
  client.enqueue(*stream, *forever, {scalar(1)});
  for (int k = 1; k < Executor::kMaxPending; ++k) client.enqueue(*stream, *twice, {single(1)});
  CHECK(executor().statistics().pending == Executor::kMaxPending, "%d pending", executor().statistics().pending);

  Arguments arguments;  // nothing moves: only the interruption helps
  arguments.inputs = {single(1)};
  arguments.outputs = {Ref<Value>::adopt(new Value(float64({1})))};
  int asked = 0;
  CHECK(!executor().enqueue(*other, *twice, arguments, [&] { return ++asked == 3; }), "enqueued beyond the bound");
  CHECK(executor().statistics().blocked_enqueues == blocked + 1, "not counted");

  std::thread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    executor().abort(*stream);
  });
  const int64_t begin = now_ns();
  const Ref<Value> value = neighbour.enqueue(*other, *twice, {single(4)})[0];
  CHECK(milliseconds_since(begin) > 20, "did not block");
  release.join();
  CHECK(await(value) && same(numbers_of(*value), {8}), "lost");

  // Bytes count, too: results of a quarter of the limit.
  CHECK(client.idle() && neighbour.idle(), "not idle");
  Allocator& allocator = device().allocator();
  const uint64_t limit = allocator.statistics().limit;
  const Ref<Executable> large = doubling(1 << 18);
  const Ref<Value> input = make_value(float64({1 << 18}), {});
  const Ref<Stream> fresh = executor().create_stream(client);
  allocator.set_limit(allocator.statistics().used + (32 << 20));
  client.enqueue(*fresh, *forever, {scalar(1)});
  int count = 0;
  for (bool full = false; !full && count < 100; ++count) {
    Arguments more;
    more.inputs = {input};
    more.outputs = {Ref<Value>::adopt(new Value(float64({1 << 18})))};
    full = !executor().enqueue(*fresh, *large, more, [] { return true; });
  }
  allocator.set_limit(limit);
  CHECK(count >= 2 && count <= 8, "%d results of 2 MB", count);
}

void endings() {
  const int before = executor().statistics().streams;
  std::vector<Ref<Value>> values;
  {
    TestClient client;
    const Ref<Executable> forever = endless();
    for (int k = 0; k < 4; ++k) {
      const Ref<Stream> stream = executor().create_stream(client);  // released with work in it
      for (int n = 0; n < 3; ++n) values.push_back(client.enqueue(*stream, *forever, {scalar(1)})[0]);
    }
  }
  for (const Ref<Value>& value : values) CHECK(value->state() == Value::State::kFailed, "survived its environment");
  values.clear();
  CHECK(executor().statistics().pending == 0, "%d pending", executor().statistics().pending);
  CHECK(executor().statistics().streams == before, "%d streams", executor().statistics().streams);
}

void progress_and_time() {
  TestClient client;
  const Ref<Stream> stream = executor().create_stream(client);
  Source body;
  body.input(float64());
  const int one = body.constant(CT_FLOAT64, 1);
  const int next = body.one("add", {0, one}, float64());
  body.apply("emit", {next}, {}, {}, {}, {"fit", "iteration"});
  body.outputs = {next};
  Source source;
  source.input(float64());
  const int begin = source.one("clock", {0}, float64());
  const int end = source.apply("scan", {0}, {float64()}, {0, 1, 300'000, 0}, {body})[0];
  const int after = source.one("clock", {end}, float64());
  source.outputs = {end, begin, after};
  const std::vector<Ref<Value>> outputs = client.enqueue(*stream, *compile(source), {scalar(0)});
  for (const Ref<Value>& output : outputs) CHECK(await(output), "pending");
  const double seconds = numbers_of(*outputs[2])[0] - numbers_of(*outputs[1])[0];
  const auto received = client.received();
  CHECK(seconds > 0 && seconds < 60, "%f s", seconds);
  CHECK(!received.empty() && received.size() <= 2 + static_cast<size_t>(seconds / 0.04), "%zu reports in %f s",
        received.size(), seconds);
  CHECK(received[0].first == "fit" && received[0].second.size() == 1, "%s", received[0].first.c_str());
  std::printf("%.0f ns an iteration of a scan with one addition and one emit\n", seconds / 300'000 * 1e9);
}

// A loop that may run ahead of its condition: how often it reads it, and how many iterations are idle.
void running_ahead() {
  TestClient client;
  const Ref<Stream> stream = executor().create_stream(client);
  const auto loop = [](int ahead) {
    // (count, running, x, bodies) -> x + 1 where it runs; the body always counts.
    Source condition;
    for (const Type& type : {boolean(), float64(), float64()}) condition.input(type);
    condition.outputs = {0};
    Source body;
    for (const Type& type : {float64(), boolean(), float64(), float64()}) body.input(type);
    const int one = body.constant(CT_FLOAT64, 1);
    const int next = body.one("add", {2, one}, float64());
    const int kept = body.one("select", {1, next, 2}, float64());
    const int below = body.one("lt", {kept, 0}, boolean());
    body.outputs = {body.one("and", {1, below}, boolean()), kept, body.one("add", {3, one}, float64())};
    Source source;
    const int count = source.input(float64()), zero = source.constant(CT_FLOAT64, 0);
    const int running = source.one("lt", {zero, count}, boolean());
    source.outputs = source.apply("while", {count, running, zero, zero}, {boolean(), float64(), float64()},
                                  {0, 1, static_cast<double>(ahead)}, {condition, body});
    return compile(source);
  };
  const Ref<Executable> plain = loop(1), ahead = loop(8);
  const int counts[] = {0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 24, 100};
  const int bodies[] = {0, 1, 2, 4, 4, 8, 8, 16, 16, 24, 24, 104};
  const uint64_t looks[] = {1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 17};
  for (size_t k = 0; k < std::size(counts); ++k) {
    const double count = counts[k];
    const auto x = client.enqueue(*stream, *plain, {scalar(count)});
    CHECK(client.idle() && same(numbers_of(*x[1]), {count}) && same(numbers_of(*x[2]), {count}), "%g times", count);
    const uint64_t before = executor().statistics().reads;
    const auto y = client.enqueue(*stream, *ahead, {scalar(count)});
    CHECK(client.idle() && same(numbers_of(*y[0]), {0}) && same(numbers_of(*y[1]), {count}), "%g times", count);
    CHECK(same(numbers_of(*y[2]), {static_cast<double>(bodies[k])}), "%g bodies for %g", numbers_of(*y[2])[0], count);
    const uint64_t reads = executor().statistics().reads - before;
    CHECK(reads == looks[k], "%d reads for %g", static_cast<int>(reads), count);
  }
}

// Several environments at once, sharing values with nobody.
void many_clients() {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      TestClient client;
      const Ref<Executable> twice = doubling(300);
      for (int round = 0; round < 10; ++round) {
        const Ref<Stream> a = executor().create_stream(client), b = executor().create_stream(client);
        Ref<Value> x = make_value(float64({300}), Numbers(300, t + 1));
        for (int k = 0; k < 20; ++k)
          x = client.enqueue(k % 2 ? *a : *b, *twice, {x})[0];  // each waits for the other stream
        Latch latch;
        if (x->wait(&latch)) CHECK(latch.wait(), "pending");
        CHECK(same(numbers_of(*x), Numbers(300, (t + 1) * 1048576.0)), "client %d", t);
        CHECK(client.idle(), "not idle");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void pools() {
  for (const int threads : {1, 3, 8}) {
    set_pool_threads(threads);
    for (Parallel* parallel : {&pool(), &serial()}) {
      CHECK(parallel->threads() == threads, "%d threads", parallel->threads());
      std::vector<std::thread> callers;  // launches of several threads take turns
      for (int t = 0; t < 3; ++t) {
        callers.emplace_back([&] {
          for (int k = 0; k < 50; ++k) {
            std::vector<int> hits(1000, 0);
            parallel->range(1000, 10, 16, [&](int64_t begin, int64_t end) {
              for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
              pool().parts(2, [](int) {});  // inside a part: serial
            });
            CHECK(std::all_of(hits.begin(), hits.end(), [](int hit) { return hit == 1; }), "a part ran twice or never");
          }
        });
      }
      for (std::thread& caller : callers) caller.join();
    }
    const FixedThreads fixed(2);
    set_pool_threads(5);
    CHECK(pool().threads() == 2 && serial().threads() == 2 && pool_threads() == 5, "not fixed");
  }
  set_pool_threads(hardware_threads());
}

// When nothing is left to do, nothing spins.
void rest() {
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto used = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-3;
  };
  const double before = used();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  CHECK(used() - before < 5, "%f ms of 500", used() - before);
}

}  // namespace
}  // namespace cotangent::testing

int main() {
  using namespace cotangent::testing;
  order();
  aborts();
  fairness();
  back_pressure();
  endings();
  progress_and_time();
  running_ahead();
  many_clients();
  pools();
  rest();
  return failures ? 1 : 0;
}
