// What Clarifai's guide has its Node client do: add pictures, create a model, train it, wait, predict.
//
// Run in a folder whose node_modules have one release of clarifai-nodejs-grpc: node documented.js CHANNEL GENERATION
// FOLDER-URL, as documented.py beside this file. Prints what it saw as one JSON document.

const path = require("path");
const { createRequire } = require("module");
const here = createRequire(path.join(process.cwd(), "package.json"));
const { ClarifaiStub, grpc } = here("clarifai-nodejs-grpc");

const [channel, generation, folder] = process.argv.slice(2);
const ids = { user_id: "someone", app_id: "garden" };
const model = "reds";
const metadata = new grpc.Metadata();
metadata.set("authorization", "Key " + (process.env.CLARIFAI_PAT || ""));

function connect() {
  const secure = ClarifaiStub.grpc();
  if (channel === "grpc") return secure;
  const address = process.env.CLARIFAI_GRPC_BASE;
  return new secure.constructor(address, grpc.credentials.createInsecure());
}

const stub = connect();

function ask(rpc, request) {
  return new Promise((resolve, reject) => {
    stub[rpc]({ user_app_id: ids, ...request }, metadata, (error, answer) => {
      if (error) reject(error);
      else if (answer.status.code !== 10000) reject(new Error("refused: " + JSON.stringify(answer)));
      else resolve(answer);
    });
  });
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 50));
const picture = (name, concepts = []) => ({
  data: { image: { url: `${folder}/${name}.png`, allow_duplicate_url: true }, concepts },
});

async function add() {
  const inputs = [];
  for (const [colour, value] of [["red", 1], ["green", 0]])
    for (let number = 0; number < 6; number++) inputs.push(picture(`${colour}-${number}`, [{ id: "red", value }]));
  return (await ask("PostInputs", { inputs })).inputs.map((one) => one.status.code);
}

async function waitForInputs() {
  for (;;) {
    const { inputs } = await ask("ListInputs", { page: 1, per_page: 100 });
    if (inputs.every((one) => one.status.code === 30000)) return inputs;
    if (inputs.some((one) => ![30000, 30001, 30003].includes(one.status.code))) throw new Error(JSON.stringify(inputs));
    await soon();
  }
}

async function create() {
  const made = { id: model };
  if (generation === "2022")
    made.output_info = {
      data: { concepts: [{ id: "red" }] },
      output_config: { concepts_mutually_exclusive: false, closed_environment: false },
    };
  return (await ask("PostModels", { models: [made] })).model.model_version.status.code;
}

async function train() {
  const request = { model_id: model };
  if (generation === "2023")
    request.model_versions = [{ output_info: { data: { concepts: [{ id: "red", value: 1 }] } } }];
  return (await ask("PostModelVersions", request)).model.model_version.id;
}

async function waitForVersion() {
  for (;;) {
    const version = (await ask("GetModel", { model_id: model })).model.model_version;
    if (version.status.code === 21100) return version;
    if (![21101, 21103].includes(version.status.code)) throw new Error(JSON.stringify(version));
    await soon();
  }
}

async function predict(version, ...names) {
  const inputs = names.map((one) => picture(one));
  const { outputs } = await ask("PostModelOutputs", { model_id: model, version_id: version, inputs });
  return outputs.map((one) => Object.fromEntries(one.data.concepts.map((concept) => [concept.name, concept.value])));
}

async function main() {
  const added = await add();
  const listed = await waitForInputs();
  const created = await create();
  const started = await train();
  const version = await waitForVersion();
  const [red, green] = await predict(version.id, "red-9", "green-9");
  const negatives = listed.flatMap((one) => one.data.concepts).filter((concept) => concept.value === 0).length;
  const inputs = version.total_input_count;
  console.log(JSON.stringify({ added, negatives, created, started, version: version.id, inputs, red, green }));
  stub.close();
}

main().catch((error) => {
  console.error(error.message || error);
  process.exitCode = 1;
});
