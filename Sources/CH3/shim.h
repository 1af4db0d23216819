#include <h3/h3api.h>
