// `arcrun mcp` for the agents of this editor, once the user has switched it on.
import * as vscode from "vscode";
import type { Arcrun } from "./arcrun";
import { telling } from "./commands";
import { ArcrunFault } from "./faults";

const SETTING = "mcp.enabled";
const SHOW = "Show MCP Servers";

const enabled = (): boolean =>
  vscode.workspace.getConfiguration("arcrun").get<boolean>(SETTING, false);

/** Offers the server, and the command that switches it on. */
export function offerMcp(arcrun: Arcrun, program: () => string): vscode.Disposable {
  const changed = new vscode.EventEmitter<void>();
  const provider: vscode.McpServerDefinitionProvider<vscode.McpStdioServerDefinition> = {
    onDidChangeMcpServerDefinitions: changed.event,
    provideMcpServerDefinitions: () => definitions(arcrun, program),
  };
  return vscode.Disposable.from(
    changed,
    vscode.lm.registerMcpServerDefinitionProvider("arcrun", provider),
    vscode.commands.registerCommand("arcrun.setUpMcp", () => telling(() => setUpMcp(arcrun))),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("arcrun")) changed.fire();
    }),
  );
}

/** Asked for at any time, so it asks nobody anything: without arcrun there is no server. */
async function definitions(
  arcrun: Arcrun,
  program: () => string,
): Promise<vscode.McpStdioServerDefinition[]> {
  if (!enabled()) return [];
  try {
    const version = await arcrun.version();
    return [new vscode.McpStdioServerDefinition("arcrun", program(), ["mcp"], {}, version)];
  } catch (error) {
    if (error instanceof ArcrunFault) return [];
    throw error;
  }
}

async function setUpMcp(arcrun: Arcrun): Promise<void> {
  await arcrun.checkMcp();
  await vscode.workspace
    .getConfiguration("arcrun")
    .update(SETTING, true, vscode.ConfigurationTarget.Global);
  const next = await vscode.window.showInformationMessage(
    "The agents of this editor are offered the MCP server arcrun. They see no secret, and may only " +
      "read, unless arcrun policy allows more.",
    SHOW,
  );
  if (next === SHOW) await vscode.commands.executeCommand("workbench.mcp.listServer");
}
