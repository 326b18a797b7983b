// What the bindings use of Unreal, without anything behind it.
#pragma once
#include <cstdint>
#include <tuple>

using int8 = std::int8_t;
using int16 = std::int16_t;
using int32 = std::int32_t;
using int64 = std::int64_t;
using uint8 = std::uint8_t;
using uint16 = std::uint16_t;
using uint32 = std::uint32_t;
using uint64 = std::uint64_t;

#define UCLASS(...)
#define USTRUCT(...)
#define UENUM(...)
#define UPROPERTY(...)
#define UFUNCTION(...)
#define GENERATED_BODY()
#define FORCEINLINE inline
#define TEXT(text) text
#define GAMEMODULE_API
#define ensure(condition) (condition)

struct FString
{
    FString() {}
    FString(const char*) {}
    bool operator==(const FString&) const { return true; }
};

template <typename T>
struct TArray
{
    void Add(const T&) {}
    bool operator==(const TArray&) const { return true; }
};

template <typename T>
struct TSharedPtr
{
    T* Inner = nullptr;
    T& operator*() const { return *Inner; }
    T* operator->() const { return Inner; }
    explicit operator bool() const { return Inner != nullptr; }
};
template <typename T, typename... Arguments>
TSharedPtr<T> MakeShared(const Arguments&... arguments) { return {new T(arguments...)}; }

template <typename T>
struct TObjectPtr
{
    T* Inner = nullptr;
    TObjectPtr& operator=(T* Other) { Inner = Other; return *this; }
    T* operator->() const { return Inner; }
    operator T*() const { return Inner; }
};

template <typename... T>
using TTuple = std::tuple<T...>;

template <typename T>
inline uint32 GetTypeHash(const T&) { return 0; }
inline uint32 HashCombine(uint32 A, uint32 B) { return A ^ B; }

struct UClass {};
struct UObject
{
    virtual ~UObject() {}
    virtual void PostInitProperties() {}
    static UClass* StaticClass() { return nullptr; }
};
template <typename T>
T* NewObject(UObject* = nullptr) { return new T(); }
template <typename T>
T* Cast(UObject* Object) { return dynamic_cast<T*>(Object); }

#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_TwoParams(Name, A, a, B, b) struct Name {}
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_ThreeParams(Name, A, a, B, b, C, c) struct Name {}
