// What a program does that only knows jsforce: prints one JSON object of what it saw.
import jsforce from 'jsforce';

const [instanceUrl, accessToken, key] = process.argv.slice(2);
const connection = new jsforce.Connection({ instanceUrl, accessToken, version: '63.0' });
const seen = {};

const described = await connection.sobject('Contact').describe();
seen.externalIds = described.fields.filter((field) => field.externalId).map((field) => field.name);

const account = await connection.sobject('Account').create({ Name: key, Membership_Key__c: key });
seen.created = account.success;
const upserted = await connection.sobject('Account').upsert({ Membership_Key__c: key, Name: `${key} two` }, 'Membership_Key__c');
seen.upserted = upserted.id === account.id;

const many = await connection.sobject('Contact').create(
  Array.from({ length: 450 }, (_, at) => ({ LastName: `${key}${at}`, AccountId: account.id })),
  { allowRecursive: true },
);
seen.many = many.filter((one) => one.success).length;

const refused = await connection.sobject('Contact').create([{ FirstName: 'x' }]);
seen.refused = refused[0].errors[0].errorCode ?? refused[0].errors[0].statusCode;

const found = await connection.sobject('Contact').find({ LastName: { $like: `${key}%` } }, 'Id, LastName, Account.Name').limit(5);
seen.related = found.map((one) => one.Account.Name);

let paged = 0;
const query = connection.query(`SELECT Id FROM Contact WHERE LastName LIKE '${key}%'`, { headers: { 'Sforce-Query-Options': 'batchSize=200' } });
let result = await query;
while (true) {
  paged += result.records.length;
  if (result.done) break;
  result = await connection.queryMore(result.nextRecordsUrl);
}
seen.paged = paged;

const rows = Array.from({ length: 300 }, (_, at) => ({ Person_Id__c: `${key}${at}`, LastName: at === 7 ? '' : 'Bulk' }));
const loaded = await connection.bulk2.loadAndWaitForResults({
  object: 'Contact', operation: 'upsert', externalIdFieldName: 'Person_Id__c', input: rows, pollTimeout: 60000, pollInterval: 100,
});
seen.bulk = [loaded.successfulResults.length, loaded.failedResults.length, loaded.unprocessedRecords.length];

const stream = await connection.bulk2.query(`SELECT Person_Id__c FROM Contact WHERE Person_Id__c LIKE '${key}%'`, { pollTimeout: 60000, pollInterval: 100 });
seen.bulkQuery = (await stream.toArray()).length;

try {
  await connection.query('SELECT Nothing__c FROM Account');
} catch (error) {
  seen.wrongQuery = error.errorCode;
}
console.log(JSON.stringify(seen));
