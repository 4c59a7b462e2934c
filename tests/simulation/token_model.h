// A token of one machine: keys by id, a capacity, and hours in which it is not there.
#pragma once

#include <algorithm>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"

namespace hwenroll::simulation {

struct TokenKey {
    Bytes id;
    Bytes spki;
};

class TokenModel {
 public:
    [[nodiscard]] const std::vector<TokenKey>& keys() const { return keys_; }
    [[nodiscard]] const TokenKey* find(const Bytes& id) const {
        const auto found = std::ranges::find(keys_, id, &TokenKey::id);
        return found == keys_.end() ? nullptr : &*found;
    }
    [[nodiscard]] bool is_there(TimePoint now) const { return now >= back_at_; }
    [[nodiscard]] bool is_full(TimePoint now) const { return now < full_until_ && keys_.size() >= room_; }

    [[nodiscard]] TimePoint back_at() const { return back_at_; }
    [[nodiscard]] TimePoint full_until() const { return full_until_; }

    const TokenKey& generate(const Bytes& id) {
        Bytes spki = id;
        spki.push_back(static_cast<std::uint8_t>(++made_));
        spki.push_back(static_cast<std::uint8_t>(made_ >> 8U));
        return keys_.emplace_back(TokenKey{id, std::move(spki)});
    }
    void destroy(const Bytes& id) {
        std::erase_if(keys_, [&](const TokenKey& key) { return key.id == id; });
    }
    void take_away(TimePoint until) { back_at_ = until; }
    /// What is on it now is all that fits.
    void fill(TimePoint until) {
        full_until_ = until;
        room_ = keys_.size();
    }

 private:
    std::vector<TokenKey> keys_;
    TimePoint back_at_;
    TimePoint full_until_;
    std::size_t room_ = 0;
    std::uint32_t made_ = 0;
};

}  // namespace hwenroll::simulation
