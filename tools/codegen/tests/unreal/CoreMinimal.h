// What the bindings use of Unreal: as little behind it as a program needs that calls callbacks.
#pragma once
#include <cstdint>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

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
    std::string Text;
    FString() {}
    FString(const char* InText) : Text(InText) {}
    bool operator==(const FString& Other) const { return Text == Other.Text; }
};

template <typename T>
struct TArray
{
    std::vector<T> Items;
    void Add(const T& Item) { Items.push_back(Item); }
    bool operator==(const TArray& Other) const { return Items == Other.Items; }
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
    TObjectPtr() {}
    TObjectPtr(T* InInner) : Inner(InInner) {}
    TObjectPtr& operator=(T* Other) { Inner = Other; return *this; }
    T* operator->() const { return Inner; }
    operator T*() const { return Inner; }
};

template <typename T>
struct TWeakObjectPtr
{
    T* Inner = nullptr;
    TWeakObjectPtr(const TObjectPtr<T>& Object) : Inner(Object.Inner) {}
    T* Get() const { return Inner; }
};

template <typename... T>
using TTuple = std::tuple<T...>;

// Like the real one, it takes each type once only: `std::get` by type sees to that.
template <typename... T>
struct TVariant
{
    std::variant<T...> Inner;
    template <typename One> void Set(const One& Value) { Inner.template emplace<One>(Value); }
    template <typename One> const One& Get() const { return std::get<One>(Inner); }
    template <typename One> bool IsType() const { return std::holds_alternative<One>(Inner); }
};

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
T* NewObject(UObject* = nullptr)
{
    T* Made = new T();
    Made->PostInitProperties();
    return Made;
}
template <typename T>
T* Cast(UObject* Object) { return dynamic_cast<T*>(Object); }

template <typename... Parameters>
struct TCallback
{
    virtual void Call(Parameters... Arguments) = 0;
};
template <typename Function, typename... Parameters>
struct TLambda : public TCallback<Parameters...>
{
    Function Body;
    TLambda(Function InBody) : Body(InBody) {}
    void Call(Parameters... Arguments) override { Body(Arguments...); }
};

template <typename Signature> struct TDelegate;
template <typename... Parameters>
struct TDelegate<void(Parameters...)>
{
    TCallback<Parameters...>* Bound = nullptr;
    bool IsBound() const { return Bound != nullptr; }
    template <typename Function> void BindLambda(Function Callback)
    {
        Bound = new TLambda<Function, Parameters...>(Callback);
    }
    template <typename Object>
    void BindDynamic(Object* This, void (Object::*Method)(Parameters...))
    {
        BindLambda([This, Method](Parameters... Arguments) { (This->*Method)(Arguments...); });
    }
    bool ExecuteIfBound(Parameters... Arguments) const
    {
        if (Bound) Bound->Call(Arguments...);
        return Bound != nullptr;
    }
};
// One listener is enough here.
template <typename Signature> struct TMulticastDelegate;
template <typename... Parameters>
struct TMulticastDelegate<void(Parameters...)> : TDelegate<void(Parameters...)>
{
    template <typename Object>
    void AddDynamic(Object* This, void (Object::*Method)(Parameters...))
    {
        this->BindDynamic(This, Method);
    }
    void Broadcast(Parameters... Arguments) const { this->ExecuteIfBound(Arguments...); }
};

#define DECLARE_DYNAMIC_DELEGATE_OneParam(Name, A, a) using Name = TDelegate<void(A)>
#define DECLARE_DYNAMIC_DELEGATE_TwoParams(Name, A, a, B, b) using Name = TDelegate<void(A, B)>
#define DECLARE_DYNAMIC_DELEGATE_ThreeParams(Name, A, a, B, b, C, c) \
    using Name = TDelegate<void(A, B, C)>
#define DECLARE_DELEGATE_ThreeParams(Name, A, B, C) using Name = TDelegate<void(A, B, C)>
#define MULTICAST(Name, ...) using Name = TMulticastDelegate<void(__VA_ARGS__)>
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_OneParam(Name, A, a) MULTICAST(Name, A)
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_TwoParams(Name, A, a, B, b) MULTICAST(Name, A, B)
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_ThreeParams(Name, A, a, B, b, C, c) \
    MULTICAST(Name, A, B, C)
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_FourParams(Name, A, a, B, b, C, c, D, d) \
    MULTICAST(Name, A, B, C, D)
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_FiveParams(Name, A, a, B, b, C, c, D, d, E, e) \
    MULTICAST(Name, A, B, C, D, E)
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_SixParams(Name, A, a, B, b, C, c, D, d, E, e, F, f) \
    MULTICAST(Name, A, B, C, D, E, F)
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_SevenParams( \
    Name, A, a, B, b, C, c, D, d, E, e, F, f, G, g) MULTICAST(Name, A, B, C, D, E, F, G)
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_EightParams( \
    Name, A, a, B, b, C, c, D, d, E, e, F, f, G, g, H, h) MULTICAST(Name, A, B, C, D, E, F, G, H)
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_NineParams( \
    Name, A, a, B, b, C, c, D, d, E, e, F, f, G, g, H, h, I, i) \
    MULTICAST(Name, A, B, C, D, E, F, G, H, I)
