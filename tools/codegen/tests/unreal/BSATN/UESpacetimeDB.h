// What the bindings use of the plugin's types. Bytes are not made here: whoever deserialises gets
// what a test has put there before.
#pragma once
#include "CoreMinimal.h"

#include <any>

// Registers a type: it must exist, and so must what is said to be in it.
#define REGISTERED(Type, ...) inline bool IsRegistered(const Type&) { return true; }
#define UE_SPACETIMEDB_STRUCT(Type, ...) REGISTERED(Type)
#define UE_SPACETIMEDB_STRUCT_EMPTY(Type) REGISTERED(Type)
#define UE_SPACETIMEDB_ENUM(Type) REGISTERED(Type)
#define UE_SPACETIMEDB_ENABLE_TARRAY(Type) \
    inline bool IsRegistered(const TArray<Type>&) { return true; }
#define UE_SPACETIMEDB_OPTIONAL(Type, Has, Value) \
    inline bool IsRegistered(const Type& Made) { return Made.Has || sizeof(Made.Value) != 0; }
#define UE_SPACETIMEDB_TAGGED_ENUM(Type, TagType, Data, ...) \
    inline bool IsRegistered(const Type& Made) \
    { \
        return Made.Tag == TagType{} || sizeof(Made.Data) != 0; \
    }

#define STUB(Name) \
    struct Name { bool operator==(const Name&) const { return true; } };
STUB(FSpacetimeDBUnit)
STUB(FSpacetimeDBConnectionId)
STUB(FSpacetimeDBTimestamp)
STUB(FSpacetimeDBTimeDuration)
STUB(FSpacetimeDBUuid)
STUB(FSpacetimeDBScheduleAt)
STUB(FSpacetimeDBInt128)
STUB(FSpacetimeDBUInt128)
STUB(FSpacetimeDBInt256)
STUB(FSpacetimeDBUInt256)
#undef STUB
struct FSpacetimeDBIdentity
{
    int32 Number = 0;
    bool operator==(const FSpacetimeDBIdentity& Other) const { return Number == Other.Number; }
};

namespace UE::SpacetimeDB
{
    inline std::any Next;

    template <typename T>
    T Deserialize(const TArray<uint8>&) { return std::any_cast<T>(Next); }
}
