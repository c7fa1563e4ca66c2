#pragma once
// Nothing to call: see open.c.
