// Tickets: what JavaScript awaits, and how it hears of it.
#include <algorithm>

#include "native/napi/environment.h"

namespace cotangent {

void Environment::Ticket::settled() {
  environment_.complete(id_);
  release();
}

double Environment::add_ticket(Ref<Value> value, Site& site, bool deliver_anyway) {
  const double id = next_ticket_++;
  Ref<Ticket> ticket = Ref<Ticket>::adopt(new Ticket(*this, id, std::move(value), site));
  tickets_.emplace(id, ticket);
  ticket->retain();  // the registration's reference
  hold_loop(1);
  const bool registered =
      ticket->value ? ticket->value->wait(ticket.get()) : site.device.executor.wait_idle(site, &ticket->idle);
  if (registered) return id;
  if (deliver_anyway) {
    ticket->settled();
  } else {
    hold_loop(-1);
    ticket->release();
  }
  return id;
}

double Environment::request(int32_t index) {
  Slot& asked = held(index);
  follow(asked);
  // JavaScript decides by what state() told it last whether it will wait for the ticket.
  return add_ticket(asked.value, *asked.site, asked.seen_pending);
}

double Environment::request_idle(uint32_t device) { return add_ticket({}, site(device), true); }

Environment::Answer Environment::take_ticket(double id) {
  const auto found = tickets_.find(id);
  if (found == tickets_.end()) fail(CT_INTERNAL, "collect", "a ticket that is not over", std::to_string(id));
  const Ref<Value> value = found->second->value;
  OpenDevice& device = found->second->site.device;
  if (!value) {
    tickets_.erase(found);
    return {{}, nullptr};
  }
  if (value->state() == Value::State::kPending) fail(CT_INTERNAL, "collect", "a settled ticket", "one that is pending");
  tickets_.erase(found);
  if (value->state() == Value::State::kFailed) throw Error(*value->failure());
  return {value, &device};
}

// The event loop stays alive while a ticket is still to be delivered.
void Environment::hold_loop(int tickets) {
  const int before = undelivered_;
  undelivered_ += tickets;
  if (before == 0 && undelivered_ > 0) wake_.Ref(env_);
  if (before > 0 && undelivered_ == 0) wake_.Unref(env_);
}

// Any thread.
void Environment::complete(double ticket) {
  std::lock_guard<std::mutex> lock(mutex_);
  done_.push_back(ticket);
  wake_locked();
}

void Environment::wake_locked() {
  if (scheduled_ || closed_) return;
  scheduled_ = wake_.NonBlockingCall() == napi_ok;
}

// The executor's thread. News that were not delivered yet are overwritten: JavaScript gets the newest.
void Environment::progress(uint32_t stream, const EmitPlan& emit, const double* values) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto news = std::find_if(news_.begin(), news_.end(),
                           [&](const Progress& known) { return known.stream == stream && known.tag == emit.tag; });
  if (news == news_.end()) news = news_.insert(news_.end(), {stream, emit.tag, {}, {}, false});
  news->names = emit.names;
  news->values.assign(values, values + emit.names.size());
  wake_locked();
}

// --- delivery: the environment's thread
// -------------------------------------------------------------------------------------

void Environment::deliver(Napi::Env env, Napi::Function, Environment* self, void*) {
  if (env == nullptr) return;  // the environment is going away, and so may be `self`
  const Napi::HandleScope scope(env);
  std::vector<double> tickets;
  std::vector<Progress> news;
  {
    std::lock_guard<std::mutex> lock(self->mutex_);
    tickets.swap(self->done_);
    news.swap(self->news_);
    self->scheduled_ = false;
  }
  for (const Progress& item : news) self->deliver_progress(item);
  if (tickets.empty()) return;
  self->hold_loop(-static_cast<int>(tickets.size()));
  tickets.erase(std::remove_if(tickets.begin(), tickets.end(), [&](double id) { return !self->tickets_.count(id); }),
                tickets.end());
  if (!tickets.empty()) self->deliver_settled(tickets);
}

namespace {

Napi::Float64Array float64_array(Napi::Env env, const std::vector<double>& values) {
  Napi::Float64Array array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

// What a callback throws is the environment's uncaught exception; without a value, the environment is stopping.
template <class F>
void call_back(Napi::Env env, F&& body) {
  try {
    body();
  } catch (const Napi::Error& error) {
    if (!error.IsEmpty()) napi_fatal_exception(env, error.Value());
  }
}

}  // namespace

void Environment::deliver_settled(const std::vector<double>& tickets) {
  call_back(env_, [&] { settled_.Call({float64_array(env_, tickets)}); });
}

void Environment::deliver_progress(const Progress& progress) {
  call_back(env_, [&] {
    Napi::Array names = Napi::Array::New(env_, progress.names.size());
    for (uint32_t k = 0; k < progress.names.size(); ++k) names[k] = progress.names[k];
    progress_.Call({Napi::Number::New(env_, progress.stream), Napi::String::New(env_, progress.tag), names,
                    float64_array(env_, progress.values)});
  });
}

}  // namespace cotangent
