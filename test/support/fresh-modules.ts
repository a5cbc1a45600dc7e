// Before each test file. Files share a process, and with it the packages that are loaded already: loading them took half a second
// of CPU for each file. The project's own modules are loaded anew, so that no file sees what another one has left in them.
import { vi } from "vitest";

vi.resetModules();
