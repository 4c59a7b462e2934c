// A value that is there for a short time of a long life.
#pragma once

#include <memory>
#include <optional>
#include <utility>

namespace hwenroll::lifecycle {

/// Behaves as std::optional<T> does, and takes no more than a pointer while it is empty: of ten thousand identities
/// hardly any has an enrollment under way. Copies are independent; empty after it was moved from.
template <class T>
class Rare {
 public:
    Rare() = default;
    Rare(std::nullopt_t /*nothing*/) {}  // NOLINT(google-explicit-constructor): as optional
    Rare(T value) : value_(std::make_unique<T>(std::move(value))) {}  // NOLINT(google-explicit-constructor)
    Rare(std::optional<T> value) : value_(value ? std::make_unique<T>(*std::move(value)) : nullptr) {}  // NOLINT
    Rare(const Rare& other) : value_(other.value_ ? std::make_unique<T>(*other.value_) : nullptr) {}
    Rare(Rare&&) noexcept = default;
    Rare& operator=(Rare other) noexcept {
        value_ = std::move(other.value_);
        return *this;
    }
    ~Rare() = default;

    explicit operator bool() const { return value_ != nullptr; }
    operator std::optional<T>() const {  // NOLINT(google-explicit-constructor)
        return value_ ? std::optional<T>(*value_) : std::nullopt;
    }
    [[nodiscard]] bool has_value() const { return value_ != nullptr; }
    T& operator*() { return *value_; }
    const T& operator*() const { return *value_; }
    T* operator->() { return value_.get(); }
    const T* operator->() const { return value_.get(); }
    [[nodiscard]] const T& value() const {
        if (!value_) {
            throw std::bad_optional_access();
        }
        return *value_;
    }
    T& value() { return const_cast<T&>(std::as_const(*this).value()); }
    T& emplace() { return *(value_ = std::make_unique<T>()); }
    void reset() { value_.reset(); }

    friend bool operator==(const Rare& a, const Rare& b) {
        return a.has_value() == b.has_value() && (!a.has_value() || *a == *b);
    }

 private:
    std::unique_ptr<T> value_;
};

}  // namespace hwenroll::lifecycle
