#pragma once
#include "Connection/DbConnectionBase.h"
