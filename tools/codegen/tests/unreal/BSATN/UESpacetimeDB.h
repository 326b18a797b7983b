// What the bindings use of the plugin's types.
#pragma once
#include "CoreMinimal.h"

#define UE_SPACETIMEDB_STRUCT(...) using Registered = int
#define UE_SPACETIMEDB_STRUCT_EMPTY(...) using Registered = int
#define UE_SPACETIMEDB_TAGGED_UNION(...) using Registered = int

#define STUB(Name) \
    struct Name { bool operator==(const Name&) const { return true; } };
STUB(FSpacetimeDBUnit)
STUB(FSpacetimeDBIdentity)
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
