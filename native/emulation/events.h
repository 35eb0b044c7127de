#ifndef COTANGENT_EMULATION_EVENTS_H
#define COTANGENT_EMULATION_EVENTS_H

namespace cotangent::emulation::events {

void drop_all();

}  // namespace cotangent::emulation::events

#endif
