#pragma once
#include "CoreMinimal.h"

struct UBlueprintFunctionLibrary : public UObject {};
